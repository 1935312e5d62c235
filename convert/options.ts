/** The command line of `fullpose-convert`. */
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { parsePictureInput } from '../src/networks/picture.js';
import type { ConvertOptions } from './convert.js';

export const convertUsage = `Usage: fullpose-convert MODEL.onnx [-o FOLDER] [options]

Writes manifest.json, network.json and network.safetensors into FOLDER (default: the model's name), for
Network.load('FOLDER/manifest.json') of fullpose/networks.

  -o, --out FOLDER   where the files go
  --size HxW         size of the input, where the model leaves it open
  --order rgb|bgr    order of the network's channels (default: rgb)
  --white W          what white is to the network before mean and std: 1 (default) or 255
  --mean A,B,C       subtracted from the channels, in the network's order (default: 0,0,0)
  --std A,B,C        what they are divided by then (default: 1,1,1)
  --fit HOW          cover (default), contain or stretch
  -h, --help         this text`;

/** The command line cannot be understood. */
export class UsageError extends Error {}

export interface ConvertCommand {
  readonly model: string;
  /** The folder of the files. */
  readonly out: string;
  readonly options: ConvertOptions;
}

/** @returns undefined where help is asked for. @throws UsageError */
export function parseConvertArguments(argv: readonly string[]): ConvertCommand | undefined {
  const { values, positionals } = orUsage(() =>
    parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        out: { type: 'string', short: 'o' },
        size: { type: 'string' },
        order: { type: 'string' },
        white: { type: 'string' },
        mean: { type: 'string' },
        std: { type: 'string' },
        fit: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }),
  );
  if (values.help) return undefined;
  const [model, ...others] = positionals;
  if (model === undefined || others.length > 0) throw new UsageError(`${positionals.length} models; wanted one`);
  const size = values.size === undefined ? undefined : /^(\d+)x(\d+)$/.exec(values.size)?.slice(1).map(Number);
  if (values.size !== undefined && size === undefined) throw new UsageError(`--size is "${values.size}"; wanted HxW`);
  const { order, white, mean, std, fit } = values;
  const picture = {
    ...(order !== undefined && { order }),
    ...(white !== undefined && { white: parseNumbers('white', white, 'a number')[0] }),
    ...(mean !== undefined && { mean: parseNumbers('mean', mean, 'three numbers A,B,C') }),
    ...(std !== undefined && { std: parseNumbers('std', std, 'three numbers A,B,C') }),
    ...(fit !== undefined && { fit }),
  };
  const settings = orUsage(() => parsePictureInput(picture));
  return {
    model,
    out: values.out ?? basename(model).replace(/\.onnx$/, ''),
    options: {
      origin: basename(model),
      ...(size !== undefined && { size: [size[0] ?? 0, size[1] ?? 0] }),
      ...(Object.keys(picture).length > 0 && {
        picture: Object.fromEntries(Object.entries(settings).filter(([name]) => name in picture)),
      }),
    },
  };
}

/** As many numbers as `wanted` says: one, or three with commas between them. */
function parseNumbers(name: string, text: string, wanted: 'a number' | 'three numbers A,B,C'): readonly number[] {
  const parts = text.split(',');
  const isNumber = (part: string) => part.trim() !== '' && Number.isFinite(Number(part));
  if (parts.length !== (wanted === 'a number' ? 1 : 3) || !parts.every(isNumber)) {
    throw new UsageError(`--${name} is "${text}"; wanted ${wanted}`);
  }
  return parts.map(Number);
}

/** Errors of what reads options, as `picture.order is ...`, as {@link UsageError}. */
function orUsage<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new UsageError(message.replace(/^picture\./, '--'));
  }
}
