import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { isFirefox } from '../../src/engine/firefox.js';
import { NUDGE_MS, Nudge } from '../../src/engine/nudge.js';

/** A queue that counts. It is given nothing but empty submits here. */
class Queue {
  submits = 0;

  submit(commands: Iterable<GPUCommandBuffer>): undefined {
    expect([...commands]).toEqual([]);
    this.submits++;
  }
}

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

/** A wait of so many nudges. */
function wait(nudges: number): Promise<number> {
  return new Promise((resolve) => setTimeout(() => resolve(nudges), nudges * NUDGE_MS + 1));
}

it('nudges while something is pending, and stops with it', async () => {
  const queue = new Queue();
  const waiting = new Nudge(queue, true).until(wait(10));
  expect(queue.submits).toBe(0);
  await vi.advanceTimersByTimeAsync(100 * NUDGE_MS);
  expect(await waiting).toBe(10);
  expect(queue.submits).toBe(10);
});

it('stops where the wait fails', async () => {
  const queue = new Queue();
  const lost = wait(3).then(() => Promise.reject(new Error('lost')));
  const waiting = expect(new Nudge(queue, true).until(lost)).rejects.toThrow('lost');
  await vi.advanceTimersByTimeAsync(100 * NUDGE_MS);
  await waiting;
  expect(queue.submits).toBe(3);
});

it('nudges once for waits that overlap, until the last is over, and again for the next', async () => {
  const queue = new Queue();
  const nudge = new Nudge(queue, true);
  const waits = [nudge.until(wait(2)), nudge.until(wait(4))];
  await vi.advanceTimersByTimeAsync(9 * NUDGE_MS);
  await Promise.all(waits);
  expect(queue.submits).toBe(4);
  const again = nudge.until(wait(1));
  await vi.advanceTimersByTimeAsync(9 * NUDGE_MS);
  await again;
  expect(queue.submits).toBe(5);
});

it('leaves browsers alone that need none, and Node', async () => {
  const queue = new Queue();
  const waiting = new Nudge(queue).until(wait(20));
  await vi.advanceTimersByTimeAsync(100 * NUDGE_MS);
  await waiting;
  expect(queue.submits).toBe(0);
});

it('knows Firefox, and none of the browsers that speak of Gecko', () => {
  expect(isFirefox('Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0')).toBe(true);
  const chrome =
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36';
  expect([chrome, '', undefined].map((userAgent) => isFirefox(userAgent))).toEqual([false, false, false]);
});
