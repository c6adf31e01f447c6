import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function rootAbove(folder: string): string {
	if (existsSync(join(folder, 'pnpm-workspace.yaml'))) return folder;
	const above = dirname(folder);
	if (above === folder) throw new Error('this file does not lie in the workspace');
	return rootAbove(above);
}

/** The folder of the workspace, found from source and from a bundle alike. */
export const workspaceRoot = rootAbove(dirname(fileURLToPath(import.meta.url)));
