// Runs the layer rules of .dependency-cruiser.cjs over a tree: this one, or one that a test made to break them.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { capture, root } from './child.mjs';

const cruiser = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
const config = join(root, '.dependency-cruiser.cjs');

/**
 * A tool that finds no compiler for TypeScript reads nothing and reports no violation, so what it read is part of the answer.
 * @param {string} tree with packages/, services/ and so on in it
 * @returns {Promise<{ examined: string[], violations: string[] }>} `examined`: the source files read, from `tree`
 */
export async function checkImports(tree) {
	const folders = ['packages', 'services', 'test', 'deploy'].filter((name) => readdirSync(tree).includes(name));
	const args = [cruiser, '--config', config, '--output-type', 'json', ...folders];
	const { output, code } = await capture(process.execPath, args, { cwd: tree });
	const start = output.indexOf('{');
	if (start < 0) throw new Error(`dependency-cruiser ended with ${code}:\n${output}`);
	const { modules, summary } = JSON.parse(output.slice(start));
	return {
		examined: modules.map(({ source }) => source).filter((source) => /^(packages|services|test|deploy)\//.test(source)),
		violations: summary.violations.map(({ from, to, rule, cycle }) => {
			const via = cycle ? cycle.map(({ name }) => name).join(' → ') : to;
			return `${rule.name}: ${from} → ${via}`;
		}),
	};
}
