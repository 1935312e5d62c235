import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { animatedPng, animatedWebp } from '../../reliability/pictures.js';
import { repositoryRoot } from '../../scripts/page-host.js';
import { encodePng } from '../../src/export/png.js';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fullpose-hard-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

const fixture = (name: string): Buffer => readFileSync(join(repositoryRoot, 'tests/fixtures/pictures', name));

const plainPng = (width: number, height: number): Promise<Uint8Array> =>
  encodePng({ width, height, data: new Uint8Array(width * height * 4).fill(90) }, { alpha: false });

// The kinds that decode, as four inks, 16 bits and frames of an animation, are in tests/fixtures/pictures:
// tests/pages/align.test.ts.
it('align goes on after every picture that is none, and says which and why', { timeout: 300_000 }, async () => {
  const text = (contents: string) => new TextEncoder().encode(contents);
  const [png, jpeg] = [fixture('deep.png'), fixture('grey.jpg')];
  const undecodable: Record<string, Uint8Array> = {
    'half.png': png.subarray(0, png.length / 2),
    'half.jpg': jpeg.subarray(0, jpeg.length / 2),
    'header.png': png.subarray(0, 40),
    'ten-bytes.jpg': jpeg.subarray(0, 10),
    'nothing.png': new Uint8Array(0),
    'text.jpg': text('Dear diary'),
    'page.png': text('<!doctype html><title>404</title>'),
  };
  // A detector may see a face in anything; what counts is that they are read.
  const readable: Record<string, Uint8Array> = {
    'one.png': await plainPng(1, 1),
    'column.png': await plainPng(1, 10_000),
    'wide.png': await plainPng(16_384, 2),
    'animated.png': new Uint8Array(await (await animatedPng()).arrayBuffer()),
    'animated.webp': new Uint8Array(await animatedWebp().arrayBuffer()),
  };
  const all = { ...undecodable, ...readable, 'good.jpg': jpeg };
  for (const [name, bytes] of Object.entries(all)) writeFileSync(join(folder, name), bytes);
  mkdirSync(join(folder, 'folder.png'));
  const env = { ...process.env, INIT_CWD: folder, npm_lifecycle_event: 'align' };
  const names = [...Object.keys(all), 'folder.png'];
  const asked = ['--out', 'out', '--format', 'json', '--search', 'whole'];
  const args = ['--import', 'tsx', 'cli/align.ts', ...names, ...asked];
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: repositoryRoot, env, encoding: 'utf8' });
  expect(status, stderr).toBe(1);
  for (const name of Object.keys(undecodable)) {
    expect(stderr).toMatch(new RegExp(`${name} is not a picture that the browser can decode`));
  }
  for (const name of Object.keys(readable)) {
    expect(stderr).toMatch(new RegExp(`no face found in .*${name}|^${name}: \\d+ face`, 'm'));
  }
  expect(stderr).toContain('no picture in folder.png');
  expect(stderr).toMatch(/\d+ of 14 failed/);
  expect(existsSync(join(folder, 'out/good.json'))).toBe(true);
});
