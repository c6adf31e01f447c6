import { createHash } from 'node:crypto';

export interface ConfigFile {
	/** Opaque bytes, kept as they are. */
	readonly body: Uint8Array;
	/** Media type, or '' when nobody said. */
	readonly contentType: string;
}

/** Configuration files by name; a single file may have the name ''. */
export type ConfigFiles = ReadonlyMap<string, ConfigFile>;

const lengthPrefix = (bytes: number): Uint8Array => {
	const prefix = Buffer.allocUnsafe(8);
	prefix.writeBigUInt64BE(BigInt(bytes));
	return prefix;
};

/**
 * SHA-256 over names, content types and bodies, each behind its length, in the order of the names, so that no two different
 * configurations share one and the order of the map does not matter (C-66). 32 bytes.
 */
export function configHash(files: ConfigFiles): Uint8Array {
	const hash = createHash('sha256').update('ampora.config.v1\0');
	for (const [name, { body, contentType }] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
		for (const text of [name, contentType]) hash.update(lengthPrefix(Buffer.byteLength(text))).update(text);
		hash.update(lengthPrefix(body.length)).update(body);
	}
	return hash.digest();
}

/**
 * What the agent is given as config_hash and reports back: SHA-256 of the content hash followed by the attempt as 4 bytes,
 * most significant first. A further attempt is therefore a new offer to the agent. `attempt` counts from 0. 32 bytes.
 */
export function offeredHash(contentHash: Uint8Array, attempt: number): Uint8Array {
	const counter = Buffer.allocUnsafe(4);
	counter.writeUInt32BE(attempt);
	return createHash('sha256').update(contentHash).update(counter).digest();
}
