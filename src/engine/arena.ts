/**
 * The arena: where intermediate tensors live. From the order of steps and what each reads and writes it finds
 * lifetimes, and gives tensors that are never alive together the same bytes.
 *
 * Memory comes in banks, one GPU buffer each, because WebGPU forbids a dispatch to read one range of a buffer and write
 * another: what a step reads and what it writes are always in different banks.
 */
import { ShapeError } from './errors.js';

/** Names of the arena's tensors that one step touches; tensors that live elsewhere are not named. */
export interface ArenaStep {
  /** Tensors that the step reads. */
  readonly reads: readonly string[];
  /** Tensors that the step writes. */
  readonly writes: readonly string[];
}

/** Where a tensor lies, and when. */
export interface Placement {
  /** Number of the bank. */
  readonly bank: number;
  /** Byte offset in the bank, a multiple of 256. */
  readonly offset: number;
  /** Size of the tensor. */
  readonly bytes: number;
  /** First and last step, by index, at which the bytes are in use. */
  readonly first: number;
  /** Last step, by index, at which the bytes are in use. */
  readonly last: number;
}

/** Where every tensor lies, and how large the banks are. */
export interface ArenaPlan {
  /** By the tensor's name. */
  readonly placements: ReadonlyMap<string, Placement>;
  /** Bytes of each bank. */
  readonly banks: readonly number[];
}

/** WebGPU's largest possible minStorageBufferOffsetAlignment. */
const ALIGNMENT = 256;

/**
 * Places every tensor of `bytes`.
 *
 * Largest first; each goes where its bank grows least, at the lowest offset free during its life.
 * @param bytes size of each tensor by name
 * @param steps in order of execution
 * @throws ShapeError where a step touches an unknown tensor or one not yet written, or a tensor is never written.
 */
export function planArena(bytes: ReadonlyMap<string, number>, steps: readonly ArenaStep[]): ArenaPlan {
  const lives = findLives(bytes, steps);
  const opposed = findOpposed(steps);
  const placements = new Map<string, Placement>();
  const banks: number[] = [];
  const order = [...lives].sort(([, a], [, b]) => b.bytes - a.bytes || a.first - b.first);
  for (const [name, life] of order) {
    let best: { readonly bank: number; readonly offset: number; readonly growth: number } | undefined;
    for (let bank = 0; bank <= banks.length; bank++) {
      const inBank = [...placements].filter(([, placement]) => placement.bank === bank);
      if (inBank.some(([other]) => opposed.get(name)?.has(other))) continue;
      const offset = lowestFreeOffset(
        life.bytes,
        inBank
          .map(([, placement]) => placement)
          .filter((other) => other.first <= life.last && life.first <= other.last),
      );
      const growth = Math.max(0, offset + life.bytes - (banks[bank] ?? 0));
      if (best === undefined || growth < best.growth) best = { bank, offset, growth };
    }
    if (best === undefined) throw new ShapeError(`No bank for '${name}'.`);
    placements.set(name, { bank: best.bank, offset: best.offset, ...life });
    banks[best.bank] = (banks[best.bank] ?? 0) + best.growth;
  }
  return { placements, banks };
}

interface Life {
  readonly bytes: number;
  readonly first: number;
  last: number;
}

function findLives(bytes: ReadonlyMap<string, number>, steps: readonly ArenaStep[]): Map<string, Life> {
  const lives = new Map<string, Life>();
  for (const [index, { reads, writes }] of steps.entries()) {
    for (const name of reads) {
      const life = lives.get(name);
      if (life === undefined) throw new ShapeError(`Step ${index} reads '${name}', which no step before it writes.`);
      life.last = index;
    }
    for (const name of writes) {
      const size = bytes.get(name);
      if (size === undefined) throw new ShapeError(`Step ${index} writes '${name}', which is not among the tensors.`);
      const life = lives.get(name);
      if (life === undefined) lives.set(name, { bytes: alignUp(size), first: index, last: index });
      else life.last = index;
    }
  }
  for (const name of bytes.keys()) {
    if (!lives.has(name)) throw new ShapeError(`Tensor '${name}' is in the arena, but no step writes it.`);
  }
  return lives;
}

/** For every tensor, those that some step reads while it writes it, or the reverse. */
function findOpposed(steps: readonly ArenaStep[]): Map<string, Set<string>> {
  const opposed = new Map<string, Set<string>>();
  const oppose = (a: string, b: string): void => {
    const set = opposed.get(a) ?? new Set<string>();
    opposed.set(a, set.add(b));
  };
  for (const { reads, writes } of steps) {
    for (const read of reads) {
      for (const write of writes) {
        if (read === write) throw new ShapeError(`A step both reads and writes '${read}'.`);
        oppose(read, write);
        oppose(write, read);
      }
    }
  }
  return opposed;
}

function lowestFreeOffset(bytes: number, alive: readonly Placement[]): number {
  let offset = 0;
  for (const other of [...alive].sort((a, b) => a.offset - b.offset)) {
    if (offset + bytes <= other.offset) break;
    offset = Math.max(offset, other.offset + other.bytes);
  }
  return offset;
}

function alignUp(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}
