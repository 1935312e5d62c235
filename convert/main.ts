#!/usr/bin/env node
/** `fullpose-convert`: an ONNX model in, the files of `Network.load` out. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileReason } from '../scripts/file-errors.js';
import { convertOnnx } from './convert.js';
import { convertUsage, parseConvertArguments, UsageError } from './options.js';

/** What `action` on a file gives; its error says which file and why. */
function withFile<T>(what: string, path: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw new Error(`cannot ${what} ${path}: ${fileReason(cause)}`, { cause });
  }
}

try {
  const asked = parseConvertArguments(process.argv.slice(2));
  if (asked === undefined) process.stdout.write(`${convertUsage}\n`);
  else {
    const onnx = withFile('read', asked.model, () => readFileSync(asked.model));
    const files = convertOnnx(onnx, asked.options);
    withFile('make the folder', asked.out, () => mkdirSync(asked.out, { recursive: true }));
    for (const [name, bytes] of files) {
      const path = join(asked.out, name);
      withFile('write', path, () => writeFileSync(path, bytes));
      process.stdout.write(`${path}\n`);
    }
  }
} catch (error) {
  const isUsage = error instanceof UsageError;
  process.stderr.write(`fullpose-convert: ${error instanceof Error ? error.message : String(error)}\n`);
  if (isUsage) process.stderr.write('Try --help.\n');
  process.exitCode = isUsage ? 2 : 1;
}
