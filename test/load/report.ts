import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { join, relative } from 'node:path';
import { workspaceRoot } from '../support/stack/root.js';

export interface Figure {
	readonly value: number;
	readonly unit: string;
}

export type Figures = Readonly<Record<string, Figure>>;

/** One run of one scenario, as the last line of its output. */
export interface Report {
	readonly scenario: string;
	readonly figures: Figures;
	readonly machine: string;
	/** With `+` behind it when the tree had changes. */
	readonly commit: string;
}

/** Rounded to what a run of a few seconds can tell. */
export const figure = (value: number, unit: string): Figure => ({ value: Number(value.toPrecision(4)), unit });

export function machineText(): string {
	const [cpu] = cpus();
	const memory = `${Math.round(totalmem() / 1024 ** 3)} GiB`;
	const system = `${process.platform} ${release()}`;
	return `${availableParallelism()} × ${cpu?.model.trim() ?? process.arch}, ${memory}, ${system}, Node ${process.versions.node}`;
}

export function revision(): string {
	const git = (...args: string[]) =>
		execFileSync('git', args, { cwd: workspaceRoot, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
	try {
		const changed = git('status', '--porcelain', '--untracked-files=no') !== '';
		return `${git('rev-parse', 'HEAD')}${changed ? '+' : ''}`;
	} catch {
		return 'unknown';
	}
}

/** Answers the file, from the root. */
export function record(report: Report, agents: number): string {
	const folder = join(workspaceRoot, 'test/load/results');
	mkdirSync(folder, { recursive: true });
	const file = join(folder, `${report.scenario}-${agents}.json`);
	writeFileSync(file, `${JSON.stringify(report, null, '\t')}\n`);
	return relative(workspaceRoot, file);
}

export function figuresTable({ scenario, figures, machine, commit }: Report, agents: number): string {
	const rows = Object.entries(figures);
	const width = Math.max(...rows.map(([name]) => name.length));
	const lines = rows.map(([name, { value, unit }]) => `  ${name.padEnd(width)}  ${String(value).padStart(10)} ${unit}`);
	return [`${scenario}, ${agents} agents`, ...lines, `  on ${machine}`, `  at ${commit}`, ''].join('\n');
}
