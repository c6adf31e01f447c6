// The repository's own files, as text, for the tests about it.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** Made by tools, not kept by anybody. */
const made = new Set(['.git', 'node_modules', 'dist', 'gen', '.ampora', 'pnpm-lock.yaml']);

function under(folder: string): string[] {
	return readdirSync(join(root, folder), { withFileTypes: true })
		.filter((entry) => !made.has(entry.name))
		.flatMap((entry) => {
			const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
			if (entry.isDirectory()) return under(path);
			return entry.isFile() ? [path] : [];
		})
		.sort();
}

/** Paths from the root, with `/`. */
export const files: readonly string[] = under('');

export const textOf = (file: string): string => readFileSync(join(root, file), 'utf8');

/** `file:line: text` for every line of these files that matches. */
export function linesMatching(among: readonly string[], pattern: RegExp): string[] {
	return among.flatMap((file) =>
		textOf(file)
			.split('\n')
			.flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [])),
	);
}
