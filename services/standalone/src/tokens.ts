import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bootstrapTokens } from '@ampora/control';
import type { ControlStore } from '@ampora/store';

/** What a person needs to use this installation. */
export interface StandaloneTokens {
	readonly admin: string;
	readonly enrollment: string;
}

/**
 * The tokens made at the first start. The database knows only their hashes, so the data folder keeps them, readable by its owner only,
 * for every later start to print. Null: they were made once, and the file is gone.
 */
export async function standaloneTokens(dataFolder: string, store: ControlStore): Promise<StandaloneTokens | null> {
	const file = join(dataFolder, 'tokens.json');
	const made = await bootstrapTokens({ store });
	if (made === null) return read(file);
	mkdirSync(dataFolder, { recursive: true });
	writeFileSync(file, `${JSON.stringify(made, null, '\t')}\n`, { mode: 0o600 });
	return made;
}

function read(file: string): StandaloneTokens | null {
	try {
		return JSON.parse(readFileSync(file, 'utf8')) as StandaloneTokens;
	} catch {
		return null;
	}
}
