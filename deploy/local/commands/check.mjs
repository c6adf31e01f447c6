// Everything that can be judged without running the product. All of it is judged, also after something failed.
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { capture, root } from '../child.mjs';
import { generate } from '../generate.mjs';
import { checkImports } from '../import_rules.mjs';
import { dim, elapsed, green, red, say } from '../progress.mjs';
import { writeResults } from '../results.mjs';
import { cache, filesUnder } from '../stamp.mjs';
import { memberFolders } from '../workspace.mjs';

const program = (name) => join(root, 'node_modules/.bin', name);

/** Nothing when the program is content, else what it said. */
async function tool(name, args, options) {
	const { code, output } = await capture(program(name), args, options);
	return code === 0 ? undefined : output.trim() || `${name} ended with ${code}`;
}

async function types() {
	const found = [await tool('tsc', ['-p', 'tsconfig.json']), await tool('tsc', ['-p', 'deploy/local/tsconfig.json'])];
	return found.filter(Boolean).join('\n') || undefined;
}

async function importRules() {
	const { examined, violations } = await checkImports(root);
	const unread = memberFolders().filter((member) => !examined.some((file) => file.startsWith(`${member}/`)));
	const problems = [...violations, ...unread.map((member) => `nothing was examined in ${member}`)];
	return problems.length > 0 ? problems.join('\n') : undefined;
}

/** Generated files are not committed; each must be what its sources make, and making it twice must make the same. */
async function generatedCode() {
	const folder = mkdtempSync(join(cache, 'generated-'));
	try {
		generate(folder);
		const under = folder.slice(root.length);
		const made = filesUnder(under).map((file) => file.slice(under.length + 1));
		const present = memberFolders().flatMap((member) => filesUnder(`${member}/src/gen`));
		const read = (base, file) => (existsSync(join(base, file)) ? readFileSync(join(base, file), 'utf8') : undefined);
		const stale = [...new Set([...made, ...present])].filter((file) => read(root, file) !== read(folder, file));
		if (made.length === 0) return 'nothing is generated';
		return stale.length > 0 ? `not what its sources make:\n${stale.join('\n')}` : undefined;
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}

/** drizzle-kit, asked for the next migration of a copy, must have nothing to write. */
async function migrations() {
	const member = join(root, 'packages/store');
	if (!existsSync(join(member, 'drizzle.config.ts'))) return 'packages/store/drizzle.config.ts is missing';
	const out = mkdtempSync(join(member, 'node_modules/.migrations-'));
	try {
		cpSync(join(member, 'migrations'), out, { recursive: true });
		const args = [
			'generate',
			'--dialect=postgresql',
			'--schema=./src/schema.ts',
			`--out=./${out.slice(member.length + 1)}`,
		];
		const { code, output } = await capture(program('drizzle-kit'), args, { cwd: member, timeoutMs: 60_000 });
		if (code !== 0) return output;
		const added = readdirSync(out).filter((file) => !existsSync(join(member, 'migrations', file)));
		return added.length > 0
			? `the schema has changes no migration makes (drizzle-kit generate):\n${readFileSync(join(out, added[0] ?? ''), 'utf8')}`
			: undefined;
	} finally {
		rmSync(out, { recursive: true, force: true });
	}
}

/** Section → nothing, or what is wrong. */
const sections = {
	types,
	'format and lint': () => tool('biome', ['ci', '--colors=off', '--error-on-warnings']),
	'unused code and dependencies': () => tool('knip', ['--no-progress', '--no-config-hints']),
	'import rules': importRules,
	'proto lint': () => tool('buf', ['lint']),
	'proto format': () => tool('buf', ['format', '--diff', '--exit-code']),
	'generated code': generatedCode,
	migrations,
};

/** @param {string[]} wanted sections whose name contains one of these; all when empty */
export async function check(wanted) {
	const counts = { passed: 0, failed: 0 };
	for (const [name, judge] of Object.entries(sections)) {
		if (wanted.length > 0 && !wanted.some((part) => name.includes(part))) continue;
		const start = performance.now();
		const problem = await Promise.resolve()
			.then(judge)
			.catch((error) => String(error.stack ?? error));
		counts[problem === undefined ? 'passed' : 'failed'] += 1;
		say(`${problem === undefined ? green('✓') : red('✗')} ${name} ${dim(`(${elapsed(start)})`)}`);
		if (problem !== undefined) say(problem.replace(/^/gm, '    '));
	}
	writeResults('check', counts);
	say(`${counts.passed} passed, ${counts.failed} failed`);
	return counts.failed > 0 || counts.passed === 0 ? 1 : 0;
}
