import {
	type Command,
	type CommandKind,
	commandAllowed,
	gateNames,
	hasEnded,
	legalCommands,
	legality,
	newRollout,
	type RolloutSpec,
	turnOfGroup,
} from '@ampora/rollout';
import type { AgentId, GroupId, RolloutId, VersionId } from '@ampora/runtime';
import type { MemoryRollout, MemoryState } from '@ampora/store/testing';
import { memoryWorld } from '@ampora/store/testing';
import type { Stream } from './streams.js';

interface WantedRollout {
	readonly groupId: GroupId;
	readonly versionId: VersionId;
	readonly spec: RolloutSpec;
	readonly start: 'now' | 'by-hand';
	/** What to do when the group has a rollout that has not ended. */
	/** Starts by itself then, where the group is free; null: at once. */
	readonly startInMs?: number | null;
	readonly busy?: 'refuse' | 'queue' | 'supersede';
}

/** The people of the world: what they write is what the use cases write for them. */
export class People {
	readonly #world;
	/** The unique index on (rollout, actor, key). */
	readonly #keys = new Set<string>();

	constructor(
		private readonly state: MemoryState,
		private readonly chance: Stream,
		private readonly say: (line: string) => void,
		/** Tells the engines that there is something to decide. */
		private readonly hint: (rolloutId: RolloutId) => void,
	) {
		this.#world = memoryWorld(state);
	}

	/** Null: the group has a rollout that has not ended, and nobody said what to do about that (409). */
	async create(wanted: WantedRollout): Promise<RolloutId | null> {
		const open = [...this.state.rollouts.values()].filter(
			({ rollout }) => rollout.groupId === wanted.groupId && !hasEnded(rollout.state),
		);
		const { start, busy = 'refuse', startInMs = null, ...given } = wanted;
		if (open.length > 0) return busy === 'refuse' ? null : this.#line(open, given, busy);
		const id = this.state.newId<RolloutId>();
		const createdAtMs = this.state.nowMs();
		const startAtMs = startInMs === null ? null : createdAtMs + startInMs;
		const spec = startAtMs === null ? given.spec : { ...given.spec, startAtMs };
		await this.#world.createRollout(newRollout({ id, ...given, spec, createdAtMs }));
		this.say(`created ${id}`);
		const row = this.state.rollouts.get(id);
		if (row) Object.assign(row, { nextWakeAtMs: startAtMs, waitsFor: start === 'by-hand' ? 'start' : null });
		if (startAtMs !== null) return id;
		if (start === 'now') await this.command(id, { kind: 'start' });
		return id;
	}

	/** Queued behind what the group has, in the place of one that was queued before. */
	async #line(
		open: readonly MemoryRollout[],
		given: Pick<WantedRollout, 'groupId' | 'versionId' | 'spec'>,
		busy: 'queue' | 'supersede',
	): Promise<RolloutId | null> {
		const active = open.find(({ rollout }) => rollout.state !== 'Queued');
		const taken = busy === 'supersede' && active ? active.rollout : null;
		if (taken !== null && !commandAllowed(taken, 'supersede')) return null;
		const id = this.state.newId<RolloutId>();
		const nowMs = this.state.nowMs();
		for (const row of open) {
			if (row.rollout.state !== 'Queued') continue;
			row.rollout = { ...row.rollout, state: 'Cancelled', seq: row.rollout.seq + 1, endedAtMs: nowMs };
			row.waitsFor = null;
			this.say(`${id} replaces ${row.rollout.id} in the queue`);
		}
		await this.#world.createRollout(
			newRollout({ id, ...given, state: 'Queued', supersedes: taken?.id ?? null, createdAtMs: nowMs }),
		);
		const row = this.state.rollouts.get(id);
		if (row) row.waitsFor = turnOfGroup;
		this.say(`queued ${id}`);
		if (taken !== null) await this.command(taken.id, { kind: 'supersede', successor: id });
		else this.hint(id);
		return id;
	}

	async command(rolloutId: RolloutId, command: Omit<Command, 'id' | 'actor'>, key?: string): Promise<void> {
		if (key !== undefined) {
			if (this.#keys.has(`${rolloutId} ${key}`)) return;
			this.#keys.add(`${rolloutId} ${key}`);
		}
		const id = this.state.newId<string>();
		this.say(`asked ${command.kind} of ${rolloutId}`);
		await this.#world.command(rolloutId, { id, actor: 'somebody', ...command });
		this.hint(rolloutId);
	}

	/** Sees the version go out, and wants it stopped. */
	async panic(rolloutId: RolloutId): Promise<void> {
		const kind = this.chance.weighted({ pause: 8, abort: 1, rollback: 1 });
		await this.command(rolloutId, { kind });
	}

	/** Any command, legal or not, sometimes twice with the same key. */
	async meddle(): Promise<void> {
		const rows = [...this.state.rollouts.values()].filter(({ rollout }) => !hasEnded(rollout.state));
		if (rows.length === 0) return;
		const row = this.chance.pick(rows);
		const { rollout } = row;
		const legal = legalCommands(rollout).filter((kind) => kind !== 'supersede');
		const anything: readonly CommandKind[] = [
			'pause',
			'resume',
			'advance',
			'extend',
			'abort',
			'rollback',
			'retry',
			'exclude',
		];
		const kind = this.chance.chance(0.8) && legal.length > 0 ? this.chance.pick(legal) : this.chance.pick(anything);
		// An end comes soon enough.
		if ((kind === 'abort' || kind === 'rollback' || kind === 'cancel') && this.chance.chance(0.7)) return;
		const command = this.#fill(kind, row);
		const key = `key-${this.chance.below(1_000_000)}`;
		await this.command(rollout.id, command, key);
		if (this.chance.chance(0.3)) await this.command(rollout.id, command, key);
		// Somebody else, at the same moment.
		if (this.chance.chance(0.15) && legal.length > 0)
			await this.command(rollout.id, this.#fill(this.chance.pick(legal), row), `${key}-other`);
	}

	#fill(kind: CommandKind, { targets }: MemoryRollout): Omit<Command, 'id' | 'actor'> {
		switch (kind) {
			case 'advance':
				return this.chance.chance(0.5) ? { kind, force: true, reason: 'it is well' } : { kind };
			case 'extend':
				return { kind, extendMs: this.chance.whole(1, 5) * 1_000 };
			case 'edit-gates': {
				const gate = this.chance.pick(gateNames);
				const minSample = this.chance.pick([0, 2, 10]);
				const thresholdPercent = this.chance.whole(0, 100);
				return {
					kind,
					gates: { [gate]: this.chance.chance(0.7) ? { thresholdPercent } : { thresholdPercent, minSample } },
				};
			}
			case 'resume':
				return { kind, reasons: [] };
			case 'exclude':
				return { kind, agentIds: this.#some(targets) };
			case 'retry':
				return this.chance.chance(0.5) ? { kind } : { kind, agentIds: this.#some(targets) };
			default:
				return { kind };
		}
	}

	#some(targets: MemoryRollout['targets']): AgentId[] {
		return [...targets.keys()].filter(() => this.chance.chance(0.2)).slice(0, 3);
	}

	/** Somebody looks after everything that waits for a person, and loses patience in the end. */
	async care(round: number): Promise<void> {
		for (const { rollout, waitsFor } of this.state.rollouts.values()) {
			if (hasEnded(rollout.state) || this.#isAsked(rollout.id)) continue;
			const may = (kind: CommandKind) => legality(rollout, kind) === 'yes';
			// What stops again after every resume is over in the end.
			const lost = round > 80 && may('abort');
			if (lost || (rollout.state === 'Paused' && round % 8 === 7 && may('abort')))
				await this.command(rollout.id, { kind: 'abort' });
			else if (rollout.state === 'Paused' && round % 8 === 5 && may('rollback'))
				await this.command(rollout.id, { kind: 'rollback' });
			else if (rollout.state === 'Paused' && may('resume'))
				await this.command(rollout.id, { kind: 'resume', reasons: [] });
			// It waits for its turn, not for a person.
			else if (rollout.state === 'Queued') continue;
			else if (may('start')) await this.command(rollout.id, { kind: 'start' });
			else if (waitsFor !== null && round % 16 === 15 && may('abort'))
				await this.command(rollout.id, { kind: 'abort' });
			else if (waitsFor !== null && may('advance'))
				await this.command(rollout.id, { kind: 'advance', force: round % 3 === 2, reason: 'enough seen' });
		}
	}

	#isAsked(rolloutId: RolloutId): boolean {
		return [...this.state.commands.values()].some((c) => c.rolloutId === rolloutId && c.outcome === null);
	}
}
