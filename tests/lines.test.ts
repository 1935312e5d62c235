import { readFileSync } from 'node:fs';
import { globSync } from 'tinyglobby';
import { expect, it } from 'vitest';

const LONGEST = 120;

/** Code is broken by biome, but for strings that cannot be; comments are the writer's. */
it(`comments are at most ${LONGEST} characters wide`, () => {
  const files = globSync(['**/*.{ts,js,mjs,wgsl}'], {
    ignore: [
      '**/node_modules',
      'dist',
      'site',
      'out',
      'shared',
      'docs/api',
      'docs/.vitepress/{cache,dist}',
      'training',
    ],
  });
  expect(files.length).toBeGreaterThan(300);
  const wide = files.flatMap((file) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .flatMap((line, index) =>
        /^\s*(\/\/|\/\*|\* )/.test(line) && line.length > LONGEST ? [`${file}:${index + 1}`] : [],
      ),
  );
  expect(wide).toEqual([]);
});
