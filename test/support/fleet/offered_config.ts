import type { ConfigFiles, RemoteConfigOffer } from '@ampora/opamp';
import { parse, stringify } from 'yaml';

/** One configuration as offered; the agents of a process share it. */
export interface OfferedConfig {
	/** Lower-case hex of the offered config_hash. */
	readonly hash: string;
	readonly hashBytes: Uint8Array;
	/** All bodies, in the order of their names. */
	readonly text: string;
	/** What an agent that runs it reports: one file, merged as the supervisor does. */
	readonly effective: ConfigFiles;
}

/** Every configuration this process was ever offered, by hash: ten thousand agents keep one copy. */
export class OfferedConfigs {
	readonly #byHash = new Map<string, OfferedConfig>();

	of({ files, configHash }: RemoteConfigOffer): OfferedConfig {
		const hash = Buffer.from(configHash).toString('hex');
		const known = this.#byHash.get(hash);
		if (known) return known;
		const bodies = inOrder(files).map(([, file]) => Buffer.from(file.body).toString());
		const config: OfferedConfig = {
			hash,
			hashBytes: configHash,
			text: bodies.join('\n'),
			effective: effectiveOf(bodies),
		};
		this.#byHash.set(hash, config);
		return config;
	}

	all(): OfferedConfig[] {
		return [...this.#byHash.values()];
	}
}

/** Files merge in the order of their names, the one without a name last. */
function inOrder(files: ConfigFiles) {
	return [...files].sort(([a], [b]) => (a === '' ? 1 : b === '' ? -1 : a < b ? -1 : 1));
}

export const oneFile = (text: string): ConfigFiles =>
	new Map([['', { body: Buffer.from(text), contentType: 'text/yaml' }]]);

function effectiveOf(bodies: readonly string[]): ConfigFiles {
	if (bodies.length < 2) return oneFile(bodies[0] ?? '');
	return oneFile(stringify(bodies.map((body) => parse(body) as unknown).reduce(merge)));
}

const isMap = (value: unknown): value is Record<string, unknown> =>
	typeof value === 'object' && value !== null && !Array.isArray(value);

function merge(under: unknown, over: unknown): unknown {
	if (!isMap(under) || !isMap(over)) return over;
	const merged = { ...under };
	for (const [key, value] of Object.entries(over)) merged[key] = key in merged ? merge(merged[key], value) : value;
	return merged;
}
