import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'puppeteer';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { AlignSession } from '../../cli/session.js';
import { browserFrom, thisMachine } from '../../scripts/browser.js';
import { PageHost, repositoryRoot } from '../../scripts/page-host.js';
import { BLENDSHAPE_NAMES } from '../../src/mmm/blendshapes.js';
import { countUploads, takeUploads } from './uploads.js';

const sample = join(repositoryRoot, 'assets/astronaut.png');

/** The same portrait, turned clockwise by 102 degrees. */
const lying = join(repositoryRoot, 'assets/lying.jpg');

/** Round the face there, turned as it is about its middle. */
const lyingBox = [339, 205, 435, 302] as const;

/** Round the astronaut's face. */
const sampleBox = [177, 80, 272, 175] as const;

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fullpose-align-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(args: readonly string[]): { readonly child: ChildProcess; readonly finished: Promise<Finished> } {
  const env = { ...process.env, INIT_CWD: folder, npm_lifecycle_event: 'align' };
  const child = spawn(process.execPath, ['--import', 'tsx', 'cli/align.ts', ...args], { cwd: repositoryRoot, env });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
  return { child, finished };
}

const readJson = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));

const finite = (count: number) => (values: unknown) =>
  Array.isArray(values) && values.length === count && values.every((value) => Number.isFinite(value));

interface AlignedFile {
  readonly width: number;
  readonly height: number;
  readonly faces: readonly {
    readonly id?: number;
    readonly confidence: number;
    readonly blendshapes: Readonly<Record<string, number>>;
    readonly landmarks: readonly (readonly number[])[];
  }[];
}

type VideoRow = AlignedFile & { readonly frame: number; readonly time: number };

/** What a row of results must look like beside its picture. */
function expectFace(row: unknown): void {
  expect(row).toMatchObject({ pose: {}, expression: {} });
  const { landmarks, pose, identity, expression, confidence } = row as Record<string, unknown> & {
    pose: Record<string, unknown>;
  };
  expect([confidence]).toSatisfy(finite(1));
  expect(landmarks).toHaveLength(68);
  expect(landmarks).toSatisfy((points: readonly unknown[]) => points.every(finite(3)));
  expect(Object.keys(pose).sort()).toEqual(['matrix', 'pitch', 'roll', 'yaw']);
  expect(pose.matrix).toHaveLength(3);
  expect(pose.matrix).toSatisfy((rows: readonly unknown[]) => rows.every(finite(4)));
  expect([pose.yaw, pose.pitch, pose.roll]).toSatisfy(finite(3));
  expect(identity).toSatisfy(finite(48));
  expect(Object.values(expression ?? {})).toSatisfy(finite(47));
  expect(expression).toHaveProperty('jawOpen');
}

describe('align', () => {
  it('without arguments aligns the sample, writes three files and says where', async () => {
    const { code, stdout, stderr } = await start(['--out', 'results']).finished;
    expect(code, stderr).toBe(0);
    const out = join(folder, 'results');
    expect(stdout).toBe('results/astronaut.overlay.png\nresults/astronaut.json\nresults/astronaut.obj\n');
    const png = readFileSync(join(out, 'astronaut.overlay.png'));
    expect(png.subarray(1, 4).toString()).toBe('PNG');
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([512, 512]);
    expect(png.equals(readFileSync(sample))).toBe(false);

    const description = readJson(join(out, 'astronaut.json'));
    expect(description).toMatchObject({
      image: sample,
      width: 512,
      height: 512,
      faces: [{ box: { kind: 'detector' }, confidence: expect.closeTo(1, 1) }],
    });
    const [face] = (description as AlignedFile).faces;
    expectFace(face);
    expect(Object.keys(face?.blendshapes ?? {})).toEqual(BLENDSHAPE_NAMES);
    expect(Object.values(face?.blendshapes ?? {})).toSatisfy((weights: number[]) =>
      weights.every((w) => w >= 0 && w <= 1),
    );
    // The nose tip lies within the face.
    const [x = 0, y = 0] = face?.landmarks[30] ?? [];
    expect(Math.hypot(x - 230, y - 130)).toBeLessThan(25);

    const obj = readFileSync(join(out, 'astronaut.obj'), 'utf8').split('\n');
    const vertices = obj.filter((line) => line.startsWith('v ')).length;
    const triangles = obj.filter((line) => line.startsWith('f '));
    expect(vertices).toBeGreaterThan(5000);
    expect(triangles.length).toBeGreaterThan(10_000);
    const largest = Math.max(
      ...triangles.flatMap((line) =>
        line
          .slice(2)
          .split(' ')
          .map((corner) => Number.parseInt(corner, 10)),
      ),
    );
    expect(largest).toBeLessThanOrEqual(vertices);
  });

  it('takes every kind of picture in a folder, and after an interruption only what is left', async () => {
    const args = [
      join(repositoryRoot, 'tests/fixtures/pictures'),
      'gone.png',
      '--out',
      'kinds',
      '--format',
      'ply,json,gltf,pncc,depth,texture',
      '--search',
      'until-found',
    ];
    const first = start(args);
    await new Promise<void>((resolve) => {
      first.child.stdout?.once('data', () => resolve());
      first.child.on('close', () => resolve());
    });
    first.child.kill('SIGINT');
    const before = await first.finished;
    expect(before.code, before.stderr).toBe(130);
    const made = before.stdout.trim().split('\n');
    expect(made.length % 6).toBe(0);

    const { code, stdout, stderr } = await start([...args, '--resume']).finished;
    expect(code, stderr).toBe(1);
    expect(stderr).toContain(`${made.length / 6} of 8 pictures were done before`);
    expect(stderr).toContain('cannot read');
    expect(stderr).toContain('1 of 8 failed');
    const stems = ['animated', 'cmyk', 'deep', 'grey', 'lossy', 'still', 'turned'].map((name) => join('kinds', name));
    const endings = ['depth.png', 'glb', 'json', 'ply', 'pncc.png', 'texture.png'];
    const files = stems.flatMap((stem) => endings.map((ending) => `${stem}.${ending}`));
    expect([...made, ...stdout.trim().split('\n')].sort()).toEqual(files);
    expect(
      readdirSync(join(folder, 'kinds'))
        .map((name) => join('kinds', name))
        .sort(),
    ).toEqual(files);
    for (const stem of stems) {
      const { width, height, faces } = readJson(join(folder, `${stem}.json`)) as AlignedFile;
      expect([width, height], stem).toEqual([160, 160]);
      expect(faces, stem).toHaveLength(1);
      // The same head, upright in all of them: its nose tip lies where it lies in the others.
      const [x = 0, y = 0] = faces[0]?.landmarks[30] ?? [];
      expect(Math.hypot(x - 80, y - 79), stem).toBeLessThan(2);
      expect(readFileSync(join(folder, `${stem}.ply`)).toString('latin1', 0, 36), stem).toMatch(/^ply\nformat binary/);
      expect(readFileSync(join(folder, `${stem}.glb`)).toString('latin1', 0, 4), stem).toBe('glTF');
      const sidesOf = (ending: string) => {
        const png = readFileSync(join(folder, `${stem}.${ending}.png`));
        return [png.readUInt32BE(16), png.readUInt32BE(20)];
      };
      expect([...sidesOf('pncc'), ...sidesOf('depth')], stem).toEqual([128, 128, 128, 128]);
      expect(sidesOf('texture'), stem).toEqual([512, 512]);
    }
  });

  it('follows the faces of a video through its frames, and goes on where an earlier run stopped', async () => {
    const video = join(repositoryRoot, 'tests/fixtures/videos/turned.mp4');
    const args = ['--video', video, '--out', 'videos', '--format', 'json,png'];
    // Cut off in the third frame, and before the first.
    const film = readFileSync(video);
    writeFileSync(join(folder, 'cut.mp4'), film.subarray(0, Math.floor(0.9 * film.length)));
    writeFileSync(join(folder, 'stub.mp4'), film.subarray(0, Math.floor(0.5 * film.length)));
    const lost = ['gone.mp4', 'cut.mp4', 'stub.mp4'].flatMap((name) => ['--video', name]);
    const { code, stdout, stderr } = await start([...lost, ...args]).finished;
    expect(code, stderr).toBe(1);
    expect(stderr).toMatch(/cannot read .*gone\.mp4: there is no such file/);
    expect(stderr).toMatch(/cut\.mp4 is cut off: it holds 2 of its 7 frames/);
    expect(stderr).toMatch(/stub\.mp4 is cut off: it holds 0 of its 7 frames/);
    expect(stdout).toBe('videos/cut.jsonl\nvideos/turned.jsonl\n');
    expect(readFileSync(join(folder, 'videos/cut.jsonl'), 'utf8').trim().split('\n')).toHaveLength(2);
    const path = join(folder, 'videos/turned.jsonl');
    const readRows = () =>
      readFileSync(path, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as VideoRow);
    const rows = readRows();
    expect(rows.map(({ frame }) => frame)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    for (const [index, time] of [0, 0.04, 0.08, 0.18, 0.22, 0.24, 0.28].entries()) {
      expect(rows[index]?.time).toBeCloseTo(time, 3);
      expect(rows[index]).toMatchObject({ width: 160, height: 192 });
      expect(readFileSync(join(folder, `videos/turned.frames/00000${index}.overlay.png`)).readUInt32BE(20)).toBe(192);
    }
    // The head moves by two pixels a frame, and keeps its id; the last frame is empty.
    const ids = (of: readonly VideoRow[]) => of.map(({ faces }) => faces.map(({ id }) => id).join());
    expect(ids(rows)).toEqual(['1', '1', '1', '1', '1', '1', '']);
    for (const { confidence } of rows.flatMap(({ faces }) => faces)) expect(confidence).toBeGreaterThan(0.5);
    const noses = rows.map(({ faces }) => faces[0]?.landmarks[30]?.[0]);
    for (let frame = 0; frame < 6; frame++) expect(Math.abs((noses[frame] ?? 0) - 75 - 2 * frame)).toBeLessThan(2.5);
    expect(rows[6]?.faces).toEqual([]);

    const whole = readFileSync(path, 'utf8');
    writeFileSync(path, whole.slice(0, whole.indexOf('"frame":2') + 20));
    const resumed = await start([...args, '--resume']).finished;
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(resumed.stderr).toContain('2 frames were done before');
    expect(resumed.stderr).toContain('5 of 5 frames');
    // The face is found anew: another id, and about the same points.
    const again = readRows();
    expect(ids(again)).toEqual(['1', '1', '2', '2', '2', '2', '']);
    for (const [frame, { time, faces }] of again.entries()) {
      expect(time).toBe(rows[frame]?.time);
      expect(Math.abs((faces[0]?.landmarks[30]?.[0] ?? 0) - (noses[frame] ?? 0))).toBeLessThan(2.5);
    }
  });

  it('smooths the faces of a video where that is asked for', async () => {
    const video = join(repositoryRoot, 'tests/fixtures/videos/turned.mp4');
    const { code, stderr } = await start(['--video', video, '--out', 'smooth', '--smoothing']).finished;
    expect(code, stderr).toBe(0);
    const nosesOf = (run: string) =>
      readFileSync(join(folder, run, 'turned.jsonl'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as VideoRow).faces[0]?.landmarks[30]?.[0] ?? 0);
    const [plain, smooth] = [nosesOf('videos'), nosesOf('smooth')];
    expect(smooth[0]).toBeCloseTo(plain[0] ?? 0, 3);
    // Behind a head that moves to the right, by less than a frame's way.
    for (let frame = 1; frame < 6; frame++) {
      const behind = (plain[frame] ?? 0) - (smooth[frame] ?? 0);
      expect(Math.abs(behind - 1)).toBeLessThan(2);
      expect(behind).not.toBe(0);
    }
  });

  it('goes on with a list where a crash left it', async () => {
    const row = { image: sample, box: sampleBox, boxKind: 'detector' };
    writeFileSync(
      join(folder, 'crashed.json'),
      JSON.stringify([row, row, { image: 'gone.png', box: sampleBox, boxKind: 'detector' }]),
    );
    const finished = { image: sample, landmarks: [[1, 2, 3]] };
    const journal = join(folder, 'crashed.results.json.journal');
    writeFileSync(journal, `${JSON.stringify({ row: 1, result: finished })}\n{"row":0,"resul`);
    const args = ['--list', 'crashed.json', '--results', 'crashed.results.json', '--resume', '--iterations', '1'];
    const { code, stderr } = await start(args).finished;
    expect(code, stderr).toBe(1);
    expect(stderr).toContain('1 of 3 rows were done before');
    expect(stderr).toContain('1 of 3 rows failed');
    const results = readJson(join(folder, 'crashed.results.json')) as readonly unknown[];
    expectFace(results[0]);
    expect(results[1]).toEqual(finished);
    expect(results[2]).toMatchObject({ image: 'gone.png', error: expect.any(String) });
    expect(existsSync(journal)).toBe(false);
  });

  it('aligns a list, keeps its order, and reports what failed in its row and in the exit code', async () => {
    writeFileSync(join(folder, 'text.png'), 'this is no picture');
    mkdirSync(join(folder, 'folder.png'));
    // A white pixel: a picture, but without a face.
    const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mP8/x8AAwMCAO+ip1sAAAAASUVORK5CYII=';
    writeFileSync(join(folder, 'pixel.png'), Buffer.from(pixel, 'base64'));
    writeFileSync(
      join(folder, 'list.json'),
      JSON.stringify([
        { image: sample, box: sampleBox, boxKind: 'detector' },
        { image: 'gone.png', box: sampleBox, boxKind: 'landmarks' },
        { image: 'text.png' },
        { image: 'folder.png' },
        { image: 'pixel.png' },
        { image: sample, box: [5, 5, 1, 1], boxKind: 'landmarks' },
        { image: sample, box: [9000, 9000, 9100, 9100], boxKind: 'landmarks' },
        { image: lying },
        { image: sample, box: sampleBox, boxKind: 'landmarks' },
      ]),
    );
    const { code, stdout, stderr } = await start(['--list', 'list.json', '--results', 'deep/results.json']).finished;
    expect(code, stderr).toBe(1);
    expect(stdout).toBe('deep/results.json\n');
    expect(stderr).toContain('9 of 9 rows');
    expect(stderr).toContain('6 of 9 rows failed');
    const results = readJson(join(folder, 'deep/results.json')) as readonly Record<string, unknown>[];
    expect(results.map(({ image }) => image)).toEqual([
      sample,
      'gone.png',
      'text.png',
      'folder.png',
      'pixel.png',
      sample,
      sample,
      lying,
      sample,
    ]);
    for (const row of [0, 7, 8]) expectFace(results[row]);
    expect(results[0]).toMatchObject({ box: sampleBox, boxKind: 'detector', roll: 0 });
    // Her face, as the detector saw it.
    expect(results[7]).toMatchObject({ boxKind: 'detector', confidence: expect.closeTo(1, 1) });
    for (const [i, side] of (results[7] as { box: readonly number[] }).box.entries()) {
      expect(Math.abs(side - (lyingBox[i] ?? 0))).toBeLessThan(20);
    }
    expect(results.map(({ error }) => error)).toEqual([
      undefined,
      'cannot read gone.png: there is no such file',
      'text.png is not a picture that the browser can decode',
      'cannot read folder.png: it is a folder',
      'no face found in pixel.png',
      expect.stringContaining('row 5: "box" is [5,5,1,1]'),
      expect.stringContaining('outside the picture'),
      undefined,
      undefined,
    ]);
    // A head on its side is found, and as it is turned.
    const [upright = Number.NaN, onItsSide = Number.NaN] = [0, 7].map(
      (row) => (results[row]?.pose as { readonly roll: number } | undefined)?.roll,
    );
    expect(Math.abs(onItsSide - upright - 102)).toBeLessThan(6);
    // A landmark box and a detector box make different crops.
    expect(results[8]?.landmarks).not.toEqual(results[0]?.landmarks);
  });

  it('writes what it has when it is interrupted', async () => {
    const rows = Array.from({ length: 2000 }, () => ({ image: sample, box: sampleBox, boxKind: 'landmarks' }));
    writeFileSync(join(folder, 'long.json'), JSON.stringify(rows));
    const { child, finished } = start(['--list', 'long.json', '--results', 'part.json', '--iterations', '1']);
    await new Promise<void>((resolve) => {
      child.stderr?.on('data', (chunk: Buffer) => {
        if (String(chunk).includes(' of 2000 rows')) resolve();
      });
      child.on('close', () => resolve());
    });
    child.kill('SIGINT');
    const { code, stderr } = await finished;
    expect(code, stderr).toBe(130);
    const results = readJson(join(folder, 'part.json')) as readonly Record<string, unknown>[];
    expect(results).toHaveLength(2000);
    // Jobs overlap: which of the first rows is done first is left open.
    const aligned = results.filter((row) => !('error' in row));
    expect(aligned.length).toBeGreaterThan(0);
    for (const row of aligned) expectFace(row);
    expect(results.at(-1)).toEqual({ image: sample, error: 'interrupted' });
  });

  it.each([
    [['--list', 'none.json', '--results', 'r.json'], 1, /cannot read the list .*none\.json: there is no such file/],
    [['--iterations', '9'], 2, /--iterations is "9"; wanted a whole number from 1 to 3/],
    [['--fast'], 2, /Unknown option '--fast'[\s\S]*Try --help/],
  ])('refuses %j before it starts a browser', async (args, wanted, message) => {
    const { code, stdout, stderr } = await start(args).finished;
    expect(code).toBe(wanted);
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain('starting a browser');
    expect(stdout).toBe('');
  });

  it('refuses a list that is no list, by name', async () => {
    writeFileSync(join(folder, 'bad.json'), '{"image": "a.png"}');
    const { code, stderr } = await start(['--list', 'bad.json', '--results', 'r.json']).finished;
    expect(code).toBe(1);
    expect(stderr).toContain('bad.json holds {"image":"a.png"}; wanted an array of rows');
  });

  it('prints its usage', async () => {
    const { code, stdout } = await start(['--help']).finished;
    expect(code).toBe(0);
    expect(stdout).toMatch(/--list FILE[\s\S]*--iterations K/);
  });
});

/** Prepares and keeps every page that is opened until `mockRestore`. */
function watchPages(pages: Page[], prepare?: (page: Page) => Promise<void>) {
  const { openPage } = PageHost.prototype;
  return vi.spyOn(PageHost.prototype, 'openPage').mockImplementation(function (this: PageHost, path, configure) {
    return openPage.call(this, path, async (page) => {
      pages.push(page);
      await prepare?.(page);
      await configure?.(page);
    });
  });
}

describe('AlignSession', () => {
  it('uploads a picture once, for detector, aligner and texture', async () => {
    const pages: Page[] = [];
    const spy = watchPages(pages, countUploads);
    const files = [sample, join(repositoryRoot, 'tests/fixtures/videos/turned.mp4')];
    const session = await AlignSession.open({
      browser: browserFrom(thisMachine),
      read: async (index) => new Uint8Array(readFileSync(files[index] ?? '')),
      packages: ['mediabunny'],
      note: () => {},
      iterations: 1,
      detector: true,
    });
    try {
      const [page] = pages;
      if (page === undefined) throw new Error('no page was opened');
      const job = { picture: 0, name: 'sample', faces: 'all', formats: ['png', 'gltf'] } as const;
      expect(await session.align(job)).toMatchObject({ status: 'aligned', faces: [{}] });
      expect(await takeUploads(page)).toBe(1);
      // Nobody is so sure: what was found is no face then, and that is told.
      expect(await session.align({ ...job, faces: 'surest', minConfidence: 1, formats: [] })).toEqual({
        status: 'failed',
        code: 'no-face',
        message: expect.stringMatching(/^no face found in sample \(confidence \d\.\d\d at most\)$/),
      });
      expect(await takeUploads(page)).toBe(1);
      const asked = { smoothing: false, idsAbove: 0, minConfidence: 0.5, formats: ['gltf'] } as const;
      const frame = { video: 1, name: 'video', ...asked } as const;
      const first = await session.alignFrame(frame);
      expect(first).toMatchObject({ status: 'frame', time: 0, reply: { faces: [{ id: 1 }] } });
      expect(await session.alignFrame({ ...frame, after: 0 })).toMatchObject({ reply: { faces: [{ id: 1 }] } });
      expect(await takeUploads(page)).toBe(2);
    } finally {
      await session.close();
      spy.mockRestore();
    }
  });

  it('goes on with a new page when the page is lost', async () => {
    const pages: Page[] = [];
    const spy = watchPages(pages);
    const notes: string[] = [];
    const session = await AlignSession.open({
      browser: browserFrom(thisMachine),
      read: async () => new Uint8Array(readFileSync(sample)),
      note: (text) => void notes.push(text),
      iterations: 1,
      detector: false,
    });
    try {
      const [x0, y0, x1, y1] = sampleBox;
      const box = { x0, y0, x1, y1, kind: 'detector' } as const;
      const job = { picture: 0, name: 'sample', boxes: [box], faces: 'all', formats: [] } as const;
      const before = await session.align(job);
      await pages[0]?.close();
      // Both jobs find the page gone; one new page serves both.
      const after = await Promise.all([session.align(job), session.align(job)]);
      expect(after).toEqual([before, before]);
      expect(before).toMatchObject({ status: 'aligned', width: 512, faces: [{ box }] });
      expect(pages).toHaveLength(2);
      expect(notes).toEqual(['the page or its GPU device was lost; starting again']);
    } finally {
      await session.close();
      spy.mockRestore();
    }
    await expect(session.align({ picture: 0, name: 'sample', faces: 'all', formats: [] })).rejects.toThrow(
      'interrupted',
    );
  });
});
