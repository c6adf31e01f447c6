import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildInterop } from '../../../test/e2e/interop/build.mjs';
import { foreground, root } from '../child.mjs';
import { say } from '../progress.mjs';
import { resultsFolder, writeResults } from '../results.mjs';

// The agents built with Go have a script of their own: cold, building them takes long.
const ofNpmTest = ['unit', 'contract', 'simulation', 'e2e', 'interop'];
const ofInterop = ['interop', 'interop-go'];

const projectArgs = (names) => names.flatMap((name) => ['--project', name]);

async function vitest(name, projects, args) {
	mkdirSync(resultsFolder, { recursive: true });
	const report = join(resultsFolder, `${name}.vitest.json`);
	rmSync(report, { force: true });
	const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
	const vitestMain = join(root, 'node_modules/vitest/vitest.mjs');
	const code = await foreground(process.execPath, [vitestMain, 'run', ...reporters, ...projectArgs(projects), ...args]);
	const counts = countsIn(report, code);
	writeResults(name, counts);
	if (code !== 0 || counts.failed === 0 || args.length > 0) return code;
	say(`${counts.failed} tests were left out, and nothing asked for that`);
	return 1;
}

/** A run that failed counts as a failure even where no test says so: a file that did not load, a set-up that threw. */
function countsIn(report, code) {
	let passed = 0;
	let failed = 0;
	try {
		const { numPassedTests, numTotalTests } = JSON.parse(readFileSync(report, 'utf8'));
		passed = numPassedTests;
		failed = numTotalTests - numPassedTests;
	} catch {
		// No report: it did not get that far.
	}
	return { passed, failed: code === 0 ? failed : Math.max(failed, 1) };
}

/**
 * All tests but those of the Go agents; `--project <name>` narrows, and starts only the servers that project needs.
 * @param {string[]} args of vitest
 */
export const test = (args) => {
	const chosen = args.some((arg) => arg === '--project' || arg.startsWith('--project='));
	return vitest('test', chosen ? [] : ofNpmTest, args);
};

/**
 * Agents nobody here wrote. They are built first, where a person sees how far it is and, without Go, what is missing.
 * @param {string[]} args of vitest
 */
export async function interop(args) {
	await buildInterop({ say });
	return vitest('interop', ofInterop, args);
}
