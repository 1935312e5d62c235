#!/usr/bin/env node
/** `fullpose-convert`: an ONNX model in, the files of `Network.load` out. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import type { PictureInput } from '../src/networks/index.js';
import { type ConvertOptions, convertOnnx } from './convert.js';

const usage = `Usage: fullpose-convert MODEL.onnx [-o FOLDER] [options]

Writes manifest.json, network.json and network.safetensors into FOLDER (default: the model's name), for
Network.load('FOLDER/manifest.json') of fullpose/networks.

  -o, --out FOLDER   where the files go
  --size HxW         size of the input, where the model leaves it open
  --order rgb|bgr    order of the network's channels (default: rgb)
  --white W          what white is to the network before mean and std: 1 (default) or 255
  --mean A,B,C       subtracted from the channels, in the network's order (default: 0,0,0)
  --std A,B,C        what they are divided by then (default: 1,1,1)
  --fit HOW          cover (default), contain or stretch
  --help             this text`;

/** The command line cannot be understood. */
class UsageError extends Error {}

function parse(): { readonly model: string; readonly out: string; readonly options: ConvertOptions } | undefined {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      out: { type: 'string', short: 'o' },
      size: { type: 'string' },
      order: { type: 'string' },
      white: { type: 'string' },
      mean: { type: 'string' },
      std: { type: 'string' },
      fit: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) return undefined;
  const [model, ...others] = positionals;
  if (model === undefined || others.length > 0) throw new UsageError(`${positionals.length} models; wanted one`);
  const size = values.size === undefined ? undefined : /^(\d+)x(\d+)$/.exec(values.size)?.slice(1).map(Number);
  if (values.size !== undefined && size === undefined) throw new UsageError(`--size is "${values.size}"; wanted HxW`);
  const triple = (text: string) => text.split(',').map(Number);
  const { order, white, mean, std, fit } = values;
  const picture: { [Field in keyof PictureInput]: unknown } = {
    ...(order !== undefined && { order }),
    ...(white !== undefined && { white: Number(white) }),
    ...(mean !== undefined && { mean: triple(mean) }),
    ...(std !== undefined && { std: triple(std) }),
    ...(fit !== undefined && { fit }),
  };
  const name = basename(model).replace(/\.onnx$/, '');
  return {
    model,
    out: values.out ?? name,
    // What it holds is checked with the description.
    options: {
      origin: basename(model),
      ...(size !== undefined && { size: [size[0] ?? 0, size[1] ?? 0] }),
      ...(Object.keys(picture).length > 0 && { picture: picture as PictureInput }),
    },
  };
}

try {
  const asked = parse();
  if (asked === undefined) process.stdout.write(`${usage}\n`);
  else {
    const files = convertOnnx(readFileSync(asked.model), asked.options);
    mkdirSync(asked.out, { recursive: true });
    for (const [name, bytes] of files) {
      writeFileSync(join(asked.out, name), bytes);
      process.stdout.write(`${join(asked.out, name)}\n`);
    }
  }
} catch (error) {
  const isUsage = error instanceof UsageError || (error instanceof TypeError && 'code' in error);
  process.stderr.write(`fullpose-convert: ${error instanceof Error ? error.message : String(error)}\n`);
  if (isUsage) process.stderr.write('Try --help.\n');
  process.exitCode = isUsage ? 2 : 1;
}
