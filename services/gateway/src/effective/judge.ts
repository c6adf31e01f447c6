import { decodePart } from '@ampora/opamp';
import type { Clock } from '@ampora/runtime';
import type { CurrentAssignment } from '@ampora/store';
import type { Logger } from '@ampora/telemetry';
import type { GatewayLimits } from '../limits.js';
import type { OfferDesk } from '../offer/desk.js';
import type { VersionCache } from '../offer/versions.js';
import { withAnswer } from '../report/answers.js';
import type { Flusher } from '../report/flusher.js';
import { fileList } from '../report/json.js';
import { answerRank, raiseAnswer } from '../report/unsaved.js';
import type { AgentSession } from '../session/session.js';
import type { Verdict } from './match.js';
import type { Match } from './matcher.js';

export interface EffectiveJudgeDeps {
	readonly match: Match;
	readonly versions: VersionCache;
	readonly flusher: Flusher;
	readonly desk: Pick<OfferDesk, 'answered'>;
	readonly clock: Clock;
	readonly limits: GatewayLimits;
	readonly log: Logger;
}

/** Verdicts remembered; fleets report few different bodies. */
const rememberedMax = 20_000;

/** Compares what an agent runs with what it should, once per body and version. */
export class EffectiveJudge {
	readonly #known = new Map<string, Verdict | null>();
	readonly #asking = new Map<string, Promise<Verdict | null>>();

	constructor(private readonly deps: EffectiveJudgeDeps) {}

	/** `part` is the sub-message as it came; only a report after the offer says anything about it. */
	effectiveReported(session: AgentSession, part: Uint8Array): void {
		const { assignment } = session;
		if (!assignment?.versionId || answerRank(assignment.answer) < answerRank('offered')) return;
		this.#judge(session, assignment, part).catch((error: unknown) => {
			this.deps.log.debug('an effective config was not compared', { agent_id: session.agentId, error });
		});
	}

	async #judge(session: AgentSession, assignment: CurrentAssignment, part: Uint8Array): Promise<void> {
		const { versionId } = assignment;
		if (!versionId || !session.effectiveHash) return;
		const key = `${versionId}:${Buffer.from(session.effectiveHash).toString('base64')}`;
		const known = this.#known.get(key);
		const verdict = known !== undefined ? known : await this.#ask(key, versionId, part);
		if (verdict && !session.ended && session.assignment?.seq === assignment.seq)
			this.#take(session, assignment, verdict);
	}

	#ask(key: string, versionId: NonNullable<CurrentAssignment['versionId']>, part: Uint8Array): Promise<Verdict | null> {
		const asked = this.#asking.get(key);
		if (asked) return asked;
		const decoded = decodePart('effectiveConfig', part, this.deps.limits.message);
		// An agent that says nothing about what it runs leaves it unknown.
		if (!decoded.ok || decoded.value.files.size === 0) return Promise.resolve(null);
		const effective = fileList(decoded.value.files);
		const answer = this.deps.versions
			.get(versionId)
			.then((version) => version && this.deps.match({ versionId, assigned: version.files, effective }))
			.then((verdict) => {
				if (verdict) this.#remember(key, verdict);
				return verdict;
			})
			.finally(() => this.#asking.delete(key));
		this.#asking.set(key, answer);
		return answer;
	}

	#remember(key: string, verdict: Verdict): void {
		const oldest = this.#known.keys().next();
		if (this.#known.size >= rememberedMax && !oldest.done) this.#known.delete(oldest.value);
		this.#known.set(key, verdict);
	}

	#take(session: AgentSession, { seq }: CurrentAssignment, { verdict, detail }: Verdict): void {
		const said = `${seq}:${verdict}`;
		if (session.matched !== said) {
			session.matched = said;
			this.deps.flusher.unsaved(session).effectiveMatch = { seq, verdict, detail };
		}
		if (verdict !== 'match' || session.capabilities.has('ReportsRemoteConfig')) return;
		// It reports no status: that it runs the assigned config is its answer.
		if (!session.assignment || answerRank(session.assignment.answer) >= answerRank('applied')) return;
		withAnswer(session, { seq, answer: 'applied', error: null });
		const heardAtMs = this.deps.clock.monotonicMs();
		raiseAnswer(this.deps.flusher.unsaved(session), { seq, answer: 'applied', error: null, heardAtMs });
		this.deps.desk.answered(session, seq, 'applied', null);
	}
}
