import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { neededComponents, parseConfig, validateConfig } from '@ampora/collector-config';
import { beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { buildInterop } from '../build.mjs';

const folder = new URL('../../../../packages/collector-config/src/fixtures/corpus/', import.meta.url);

/** Where the collector judges what we leave to it, and why. */
const exceptions: Readonly<Record<string, string>> = {
	'otlp_without_a_protocol.yaml': 'what a component of its own requires is known to that component alone',
	'otlphttp_without_an_endpoint.yaml': 'what a component of its own requires is known to that component alone',
	'profiles_pipeline.yaml': 'a feature gate of the agent decides whether it takes profiles',
};

const run = promisify(execFile);
let collector: string;
let has: ReadonlySet<string>;

/** What the collector says it is built of, as `receivers/otlp`. */
async function componentsOf(path: string): Promise<ReadonlySet<string>> {
	const { stdout } = await run(path, ['components']);
	const listed = parse(stdout) as Record<string, readonly { name: string }[] | undefined>;
	const sections = ['receivers', 'processors', 'exporters', 'connectors', 'extensions'];
	const said = sections.flatMap((section) => (listed[section] ?? []).map(({ name }) => `${section}/${name}`));
	// It was renamed; the list leaves it out under either name, and configurations may use both.
	return new Set([...said, 'exporters/otlphttp', 'exporters/otlp_http']);
}

beforeAll(async () => {
	({ collector } = await buildInterop());
	has = await componentsOf(collector);
	expect(has.size).toBeGreaterThan(5);
});

/** A file that does not parse names no component it could lack. */
function isBuiltOfItsComponents(name: string): boolean {
	const parsed = parseConfig([{ name, body: readFileSync(new URL(name, folder), 'utf8') }]);
	return !parsed.ok || neededComponents(parsed.document).every((component) => has.has(component));
}

async function collectorAccepts(name: string): Promise<boolean> {
	const config = `--config=${fileURLToPath(new URL(name, folder))}`;
	return run(collector, ['validate', config]).then(
		() => true,
		(error: { code?: unknown }) => {
			if (error.code !== 1) throw error;
			return false;
		},
	);
}

const accepts = (name: string): boolean =>
	validateConfig([{ name, body: readFileSync(new URL(name, folder), 'utf8') }]).every(
		({ severity }) => severity !== 'error',
	);

test('a collector accepts and rejects the configurations that publishing accepts and rejects', async () => {
	const names = readdirSync(folder).filter(isBuiltOfItsComponents);
	const judged = await Promise.all(names.map(async (name) => ({ name, collector: await collectorAccepts(name) })));
	const rejected = judged.filter((one) => !one.collector);
	expect(names.length).toBeGreaterThanOrEqual(25);
	expect(rejected.length).toBeGreaterThanOrEqual(10);
	const differ = judged.filter((one) => one.collector !== accepts(one.name)).map(({ name }) => name);
	expect(differ).toEqual(Object.keys(exceptions));
	expect(differ.length).toBeLessThanOrEqual(5);
});
