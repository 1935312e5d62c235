/**
 * The WGSL preprocessor: three line directives, nothing else. Numbers known at plan time are `override`s; this is for
 * what overrides cannot do (shared functions, bindings that vanish, element types).
 *
 *   //#include "lib/name.wgsl"    the named file, once per translation unit (a second include of it adds nothing)
 *   //#if NAME  //#if !NAME       keep the lines up to //#else or //#endif when the flag is set (or not set)
 *   //#else  //#endif
 */

import { InputError } from './errors.js';
import { list } from './show.js';

/** What directives may name. */
export interface PreprocessOptions {
  /** Text of every file that may be included, by the name used in the directive. */
  readonly files?: Readonly<Record<string, string>>;
  /** Flags for `//#if`. Naming a flag that is not listed is an error, so that a typo cannot pass as "off". */
  readonly flags?: Readonly<Record<string, boolean>>;
}

interface Branch {
  readonly line: number;
  /** Whether the lines around the `//#if` are kept. */
  readonly outer: boolean;
  readonly condition: boolean;
  inElse: boolean;
}

/**
 * Expands includes and conditions of a WGSL source.
 * @throws InputError for an unknown file or flag, an unknown directive, or unbalanced conditions.
 */
export function preprocess(source: string, options: PreprocessOptions = {}): string {
  return expand(source, '<source>', options, new Set()).join('\n');
}

function expand(source: string, file: string, options: PreprocessOptions, included: Set<string>): string[] {
  const output: string[] = [];
  const branches: Branch[] = [];
  const lines = source.split('\n');
  for (const [index, line] of lines.entries()) {
    const where = `${file}:${index + 1}`;
    const kept = branches.every((branch) => branch.outer && branch.condition !== branch.inElse);
    const directive = /^\s*\/\/#(\w*)\s*(.*?)\s*$/.exec(line);
    if (directive === null) {
      if (kept) output.push(line);
      continue;
    }
    const [, verb, argument = ''] = directive;
    const innermost = branches.at(-1);
    if (verb === 'if') {
      branches.push({ line: index + 1, outer: kept, condition: evaluate(argument, where, options), inElse: false });
    } else if (verb === 'else') {
      if (innermost === undefined || innermost.inElse) throw new InputError(`${where}: //#else without an open //#if.`);
      innermost.inElse = true;
    } else if (verb === 'endif') {
      if (innermost === undefined) throw new InputError(`${where}: //#endif without an open //#if.`);
      branches.pop();
    } else if (verb === 'include') {
      if (kept) output.push(...include(argument, where, options, included));
    } else {
      throw new InputError(`${where}: unknown directive '//#${verb}'; wanted include, if, else or endif.`);
    }
  }
  const open = branches.at(-1);
  if (open !== undefined) throw new InputError(`${file}:${open.line}: //#if without //#endif.`);
  return output;
}

function evaluate(argument: string, where: string, { flags = {} }: PreprocessOptions): boolean {
  const [, not, name] = /^(!?)([A-Z][A-Z0-9_]*)$/.exec(argument) ?? [];
  if (name === undefined) throw new InputError(`${where}: //#if wants NAME or !NAME, found '${argument}'.`);
  const value = Object.hasOwn(flags, name) ? flags[name] : undefined;
  if (value === undefined) {
    throw new InputError(`${where}: flag '${name}' is not among [${list(Object.keys(flags))}].`);
  }
  return value !== (not === '!');
}

function include(argument: string, where: string, options: PreprocessOptions, included: Set<string>): string[] {
  const { files = {} } = options;
  const name = /^"([^"]+)"$/.exec(argument)?.[1];
  if (name === undefined) throw new InputError(`${where}: //#include wants a quoted name, found '${argument}'.`);
  const text = Object.hasOwn(files, name) ? files[name] : undefined;
  if (text === undefined) {
    throw new InputError(`${where}: cannot include '${name}'; the files given are [${list(Object.keys(files))}].`);
  }
  if (included.has(name)) return [];
  included.add(name);
  return expand(text, name, options, included);
}
