import type { AnswerOf, BodyOf } from '@ampora/api-contract';
import type { Command } from 'commander';
import type { Io } from '../io.js';
import { facts, table } from '../output/table.js';
import { inSession } from '../session.js';
import { gateOption, mergedGates, sampleOption } from './rollout_options.js';

type Change = BodyOf<'updateSettings'>;
type Gates = NonNullable<Change['gateDefaults']>;
type GateName = NonNullable<Change['resetGates']>[number];

interface SetOptions {
	readonly gate?: Gates;
	readonly minSample?: Gates;
	readonly resetGate?: GateName[];
	readonly identity?: string[];
	readonly resetIdentity?: boolean;
	readonly archiveUnseen?: string;
	readonly archiveGoodbye?: string;
	readonly resetRetention?: true;
}

const attributeNames = (text: string): string[] => text.split(',').map((name) => name.trim());

const settingsText = ({ gateDefaults, agentIdentity, fleetRetention }: AnswerOf<'getSettings'>): string =>
	`${gatesText(gateDefaults)}\n${facts([
		['agents known by', identityText(agentIdentity)],
		['archived unseen for', fleetRetention.unseen],
		['archived after a goodbye', fleetRetention.goodbye],
	])}`;

const identityText = ({ attributes, settling }: AnswerOf<'getSettings'>['agentIdentity']): string =>
	`${attributes.join(', ') || 'instance uid'}${settling ? ' (agents are being looked at anew)' : ''}`;

const gatesText = (gateDefaults: AnswerOf<'getSettings'>['gateDefaults']): string =>
	table(gateDefaults, [
		{ title: 'GATE DEFAULT', value: ({ gate }) => gate },
		{ title: 'THRESHOLD', value: ({ thresholdPercent }) => `${thresholdPercent} %` },
		{ title: 'WINDOW', value: ({ window }) => window },
		{ title: 'MIN SAMPLE', value: ({ minSample }) => String(minSample) },
		{ title: 'SET', value: ({ changed }) => (changed ? 'here' : 'by default') },
	]);

export function addSettings(program: Command, io: Io): void {
	const settings = program.command('settings').description('defaults of this installation');
	settings
		.command('get')
		.description('all of them')
		.action(inSession(io, async (session) => session.print(await session.call('getSettings'), settingsText)));
	settings
		.command('set')
		.description('change some; rollouts and plans that exist already keep theirs')
		.option('--identity <attributes>', 'agents are known by these, like host.name,service.name', attributeNames)
		.option('--reset-identity', 'agents are known by their instance uid')
		.option('--gate <gate=threshold[:window]>', 'like unhealthy-ratio=5%:2m; repeat for several', gateOption)
		.option('--min-sample <gate=agents>', 'advisory in smaller steps, like unhealthy-ratio=20; repeat', sampleOption)
		.option(
			'--reset-gate <gate>',
			"back to the product's default; repeat for several",
			(gate: string, before: GateName[] = []) => [...before, gate as GateName],
		)
		.option('--archive-unseen <duration>', 'archive agents that were not seen for so long, like 30d')
		.option('--archive-goodbye <duration>', 'archive agents that said goodbye so long ago, like 1h')
		.option('--reset-retention', "both back to the product's defaults")
		.action(
			inSession(io, async (session, { gate, minSample, resetGate: resetGates, ...options }: SetOptions) => {
				const attributes = options.resetIdentity ? [] : options.identity;
				const agentIdentity = attributes && { attributes };
				const { archiveUnseen: unseen, archiveGoodbye: goodbye, resetRetention } = options;
				const fleetRetention = (unseen ?? goodbye) === undefined ? undefined : { unseen, goodbye };
				const gateDefaults = mergedGates(gate, minSample);
				const body = { gateDefaults, resetGates, agentIdentity, fleetRetention, resetRetention };
				session.print(await session.call('updateSettings', { body }), settingsText);
			}),
		);
}
