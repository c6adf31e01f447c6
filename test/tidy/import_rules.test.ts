import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkImports } from '../../deploy/local/import_rules.mjs';
import { files, root } from './tree.js';

type Findings = Awaited<ReturnType<typeof checkImports>>;

describe('this tree', () => {
	let findings: Findings;
	beforeAll(async () => {
		findings = await checkImports(root);
	}, 60_000);

	test('keeps the import rules', () => {
		expect(findings.violations).toEqual([]);
	});

	test('was examined, every source file of every member', () => {
		const sources = files.filter((file) => /^(packages|services)\/[^/]+\/src\/.*\.ts$/.test(file));
		expect(sources.length).toBeGreaterThan(50);
		expect(sources.filter((file) => !findings.examined.includes(file))).toEqual([]);
	});
});

/** One broken rule each: the file, what it imports, and the rule that must say so. */
const planted = [
	['packages/runtime/src/a.ts', '@ampora/rollout', 'layer: packages/runtime'],
	['packages/rollout/src/a.ts', '@ampora/store', 'layer: packages/rollout'],
	['packages/store/src/a.ts', '@ampora/control', 'layer: packages/store'],
	['services/gateway/src/a.ts', '@ampora/api', 'layer: services/gateway'],
	['services/standalone/src/a.ts', '@ampora/cli', 'layer: services/standalone'],
	['packages/newcomer/src/a.ts', '@ampora/runtime', 'layer: unknown member'],
	['packages/rollout/src/b.ts', 'yaml', 'pure: packages/rollout'],
	['packages/rollout/src/c.ts', 'node:fs', 'pure: packages/rollout, Node'],
	['packages/dispatch/src/a.ts', 'ioredis', 'client library: ioredis'],
	['packages/store/src/b.ts', '../../runtime/src/inner.js', 'two doors'],
	['services/standalone/src/b.ts', '../../gateway/src/inner.js', 'two doors'],
	['test/e2e/a.ts', '../../packages/store/src/inner.js', 'two doors'],
	['packages/store/src/c.ts', '@ampora/runtime/testing', 'testing door'],
	['packages/store/src/d.ts', '../../../test/support/inner.js', 'nothing above the members'],
	['packages/store/src/e.ts', './f.js', 'no cycle'],
	['packages/store/src/g.ts', './missing.js', 'resolves'],
	['packages/store/src/h.ts', 'undeclared', 'declared'],
] as const;

const legal = [
	['packages/store/src/i.ts', '@ampora/rollout'],
	['packages/store/src/i.test.ts', '@ampora/runtime/testing'],
	['packages/collector-config/src/a.ts', 'yaml'],
	['services/standalone/src/c.ts', '@ampora/gateway'],
] as const;

const names = {
	packages: ['runtime', 'rollout', 'collector-config', 'dispatch', 'store', 'control', 'cli', 'newcomer'],
	services: ['gateway', 'api', 'standalone'],
};

/** A small workspace of the same shape, in a folder of its own. */
function plant(tree: string): void {
	const write = (file: string, text: string): void => {
		mkdirSync(dirname(join(tree, file)), { recursive: true });
		writeFileSync(join(tree, file), text);
	};
	const manifest = (name: string, exports: Record<string, string>, dependencies: Record<string, string>): string =>
		JSON.stringify({ name, version: '1.0.0', type: 'module', exports, dependencies });

	cpSync(join(root, 'tsconfig.json'), join(tree, 'tsconfig.json'));
	write('package.json', manifest('tree', {}, {}));
	for (const library of ['yaml', 'ioredis', 'undeclared']) {
		write(`node_modules/${library}/package.json`, manifest(library, { '.': './index.js' }, {}));
		write(`node_modules/${library}/index.js`, 'export const value = 1;\n');
	}
	mkdirSync(join(tree, 'node_modules/@ampora'));
	const doors = { '.': './src/index.ts', './testing': './src/testing/index.ts' };
	for (const [parent, members] of Object.entries(names)) {
		for (const member of members) {
			const folder = `${parent}/${member}`;
			write(`${folder}/package.json`, manifest(`@ampora/${member}`, doors, { yaml: '1.0.0', ioredis: '1.0.0' }));
			for (const file of ['index', 'testing/index', 'inner']) {
				write(`${folder}/src/${file}.ts`, 'export const value = 1;\n');
			}
			symlinkSync(join(tree, folder), join(tree, 'node_modules/@ampora', member));
		}
	}
	write('test/support/inner.ts', 'export const value = 1;\n');
	write('packages/store/src/f.ts', "import { value } from './e.js';\nexport const other = value;\n");
	for (const [file, imported] of [...planted, ...legal]) {
		write(file, `import * as found from '${imported}';\nexport const value = found;\n`);
	}
}

describe('a tree that breaks them', () => {
	let tree: string;
	let findings: Findings;
	beforeAll(async () => {
		tree = mkdtempSync(join(tmpdir(), 'ampora-import-rules-'));
		plant(tree);
		findings = await checkImports(tree);
	}, 60_000);
	afterAll(() => rmSync(tree, { recursive: true }));

	test.each(planted)('%s may not import %s', (file, _, rule) => {
		expect(findings.violations.filter((text) => text.startsWith(`${rule}: ${file} `))).not.toEqual([]);
	});

	test.each(legal)('%s may import %s', (file) => {
		expect(findings.examined).toContain(file);
		expect(findings.violations.filter((text) => text.includes(`: ${file} `))).toEqual([]);
	});
});
