/**
 * Type-checks a consumer's module by one version of TypeScript: `node check.mjs TYPESCRIPT FILE`, settings on stdin,
 * messages as JSON on stdout.
 */
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [typescript, file] = process.argv.slice(2);
const { default: ts } = await import(pathToFileURL(typescript).href);
const libs = { dom: ['lib.dom.d.ts', 'lib.dom.iterable.d.ts'], webworker: ['lib.webworker.d.ts'] };
const resolutions = {
  bundler: [ts.ModuleKind.ESNext, ts.ModuleResolutionKind.Bundler],
  node16: [ts.ModuleKind.Node16, ts.ModuleResolutionKind.Node16],
  node10: [ts.ModuleKind.ESNext, ts.ModuleResolutionKind.Node10],
};

const told = JSON.parse(readFileSync(0, 'utf8')).map(({ resolution, lib, types }) => {
  const [module, moduleResolution] = resolutions[resolution];
  const options = { strict: true, noEmit: true, skipLibCheck: false, target: ts.ScriptTarget.ES2022 };
  const program = ts.createProgram([file], {
    ...options,
    ...{ types, module, moduleResolution },
    lib: ['lib.es2023.d.ts', ...libs[lib]],
  });
  return ts.getPreEmitDiagnostics(program).map(({ file: at, messageText }) => {
    return `${at?.fileName ?? ''}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
  });
});
console.log(JSON.stringify(told));
