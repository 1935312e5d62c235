/** Whatever an entry point exports is described where it is declared, and so is every member of it. */
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The sources of what package.json exports. */
function entryPoints(): string[] {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return Object.values<{ default?: string }>(exports).flatMap(({ default: path }) =>
    path === undefined ? [] : [join(root, path.replace('./dist/', 'src/').replace('.js', '.ts'))],
  );
}

const isHidden = (declaration: ts.Declaration) =>
  (ts.getCombinedModifierFlags(declaration) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) !== 0 ||
  (ts.isClassElement(declaration) && declaration.name !== undefined && ts.isPrivateIdentifier(declaration.name));

/** In every class alike. */
const SELF_EVIDENT = ['__constructor', '__@dispose'];

/** Exported names and `name.member`s without a comment, each with its file. */
function undocumented(entries: readonly string[]): { readonly names: string[]; readonly seen: number } {
  // Neither lib nor types: names and comments are all that is asked for.
  const program = ts.createProgram(entries, {
    noLib: true,
    types: [],
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
  });
  const checker = program.getTypeChecker();
  const visited = new Set<ts.Symbol>();
  const names = new Set<string>();
  const visit = (symbol: ts.Symbol, path: string): void => {
    const declarations = symbol.declarations ?? [];
    const [declaration] = declarations;
    if (visited.has(symbol) || declaration === undefined || declarations.every(isHidden)) return;
    visited.add(symbol);
    if (SELF_EVIDENT.some((name) => String(symbol.escapedName).startsWith(name))) return;
    if (ts.isTypeParameterDeclaration(declaration)) return;
    const isDescribed = declarations.some((one) => ts.getJSDocCommentsAndTags(one).length > 0);
    if (!isDescribed) names.add(`${path} (${relative(root, declaration.getSourceFile().fileName)})`);
    const isType = (symbol.flags & (ts.SymbolFlags.Class | ts.SymbolFlags.Interface)) !== 0;
    const members = isType
      ? checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(symbol))
      : (symbol.members?.values() ?? []);
    for (const member of members) visit(member, `${path}.${member.name}`);
    for (const member of ts.isClassDeclaration(declaration) ? (symbol.exports?.values() ?? []) : []) {
      visit(member, `${path}.${member.name}`);
    }
  };
  for (const entry of entries) {
    const file = program.getSourceFile(entry);
    const module = file && checker.getSymbolAtLocation(file);
    if (module === undefined) throw new Error(`${entry} is no module`);
    for (const exported of checker.getExportsOfModule(module)) {
      const isAlias = (exported.flags & ts.SymbolFlags.Alias) !== 0;
      visit(isAlias ? checker.getAliasedSymbol(exported) : exported, exported.name);
    }
  }
  return { names: [...names], seen: visited.size };
}

it('every export and every member of one has a doc comment', () => {
  const { names, seen } = undocumented(entryPoints());
  expect(seen).toBeGreaterThan(500);
  expect(names).toEqual([]);
});
