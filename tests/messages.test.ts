import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { requireFloats, requireTensor } from '../src/engine/index.js';
import { list, reason, show } from '../src/engine/show.js';

/** Values without a text of their own. */
const textless: readonly unknown[] = [
  Object.create(null),
  Symbol('name'),
  { toString: () => ({}), valueOf: () => ({}) },
  {
    toJSON: () => {
      throw new Error('a trap');
    },
    toString: () => {
      throw new Error('a trap');
    },
  },
];

/**
 * Where a module makes the text of a message by ways that throw for some values: `String(x)`, a list's `join`, a bare
 * value that was found.
 */
function unsafe(path: string): string[] {
  const file = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);
  const found: string[] = [];
  const tell = (node: ts.Node) => {
    const { line } = file.getLineAndCharacterOfPosition(node.getStart());
    found.push(`${path}:${line + 1} ${node.getText()}`);
  };
  const visit = (node: ts.Node, inMessage: boolean): void => {
    const called = ts.isNewExpression(node) || ts.isCallExpression(node) ? node.expression.getText() : '';
    const isMessage = inMessage || /(Error|^refuse|\.#refuse)$/.test(called);
    if (called === 'String') tell(node);
    // Constants are the package's own.
    if (isMessage && /\.join$/.test(called) && !/^[A-Z0-9_]+\.join$|\.map\(show\)\.join$/.test(called)) tell(node);
    if (isMessage && ts.isTemplateExpression(node)) {
      let before = node.head.text;
      for (const { expression, literal } of node.templateSpans) {
        if (/\b(is|are) $/.test(before) && ts.isIdentifier(expression) && !own.has(expression.text)) tell(expression);
        before = literal.text;
      }
    }
    node.forEachChild((child) => visit(child, isMessage));
  };
  visit(file, false);
  return found;
}

/** Numbers that were computed or counted, and what the browser's own objects say. */
const own = new Set(['width', 'count', 'vertexCount', 'format', 'dimension', 'usage']);

describe('messages', () => {
  it('are made of foreign values by show, list and reason alone', () => {
    const paths = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));
    expect(paths.length).toBeGreaterThan(60);
    const helpers = 'engine/show.ts';
    expect(paths.filter((path) => path !== helpers).flatMap((path) => unsafe(join('src', path)))).toEqual([]);
    // The search itself finds something.
    expect(unsafe(join('src', helpers))).not.toEqual([]);
  });

  it.each(textless.map((value, i) => [i, value] as const))('can speak of a value without a text (%i)', (_, value) => {
    for (const text of [show(value), list([value, 'a']), list(value as string[]), reason(value)]) {
      expect(text).toEqual(expect.any(String));
    }
    const tensors = new Map<unknown, unknown>([
      [value, {}],
      ['there', value],
    ]);
    const file = { metadata: new Map(), tensors } as never;
    for (const name of ['gone', 'there', value as string]) {
      for (const read of [() => requireFloats(file, name, [1]), () => requireTensor(file, name, 'F32', [1])]) {
        expect(read).toThrow(expect.objectContaining({ code: expect.stringMatching(/^bad-(weights|input)$/) }));
      }
    }
  });
});
