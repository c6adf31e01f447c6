import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StandaloneTokens } from './tokens.js';

/** Where everything can be reached. */
export interface Addresses {
	/** ws://127.0.0.1:4320/v1/opamp */
	readonly opamp: string;
	readonly api: string;
	/** host:port */
	readonly grpc: string;
	/** Base of /metrics and /health. */
	readonly operations: string;
}

/** What `npm start` prints once everything is there. */
export function announcement(addresses: Addresses, tokens: StandaloneTokens | null, database: string): string {
	const missing = 'made at the first start; tokens.json in the data folder, which kept them, is gone';
	return [
		'',
		'  Ampora is running.',
		'',
		`  OpAMP     ${addresses.opamp}`,
		`  REST      ${addresses.api}   (document: ${addresses.api}/api/v1/openapi.json)`,
		`  gRPC      ${addresses.grpc}   (ampora.rollout.v1.RolloutService)`,
		`  Metrics   ${addresses.operations}/metrics`,
		`  Database  ${database}`,
		'',
		`  Admin token        ${tokens?.admin ?? missing}`,
		`  Enrollment token   ${tokens?.enrollment ?? missing}`,
		'',
		'  For the ampora command:',
		`    export AMPORA_SERVER=${addresses.api}`,
		`    export AMPORA_TOKEN=${tokens?.admin ?? '<an API token>'}`,
		'',
		'  Ctrl-C drains and stops; a second one stops at once.',
		'',
	].join('\n');
}

const fileIn = (dataFolder: string): string => join(dataFolder, 'running.json');

/** The same for programs: a file that is there while this process serves. */
export function publishAddresses(dataFolder: string, addresses: Addresses, tokens: StandaloneTokens | null): void {
	const text = `${JSON.stringify({ pid: process.pid, ...addresses, tokens }, null, '\t')}\n`;
	writeFileSync(fileIn(dataFolder), text, { mode: 0o600 });
}

/** At the end, and at the start: a process that was killed left its file behind. */
export const retractAddresses = (dataFolder: string): void => rmSync(fileIn(dataFolder), { force: true });
