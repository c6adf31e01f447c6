// The pinned package manager, without asking the machine to have it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { capture, mustRun, root } from './child.mjs';

// What npm tells its scripts about itself would configure pnpm too; only how to reach the registry may.
const kept =
	/^npm_config_(registry|cache|ca|cafile|cert|key|strict_ssl|proxy|https?_proxy|https-proxy|noproxy|@.*|\/\/.*)$/i;

function cleanEnv() {
	const entries = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name) || kept.test(name));
	return { ...Object.fromEntries(entries), npm_config_update_notifier: 'false' };
}

/** @param {readonly string[]} args */
export async function pnpm(args) {
	const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
	const env = cleanEnv();
	const found = await capture('pnpm', ['--version'], { env });
	const onPath = found.code === 0 && `pnpm@${found.output.trim()}` === packageManager;
	if (onPath) return mustRun('pnpm', args, { env });
	return mustRun('npx', ['-y', packageManager, ...args], { env });
}
