import { hash } from 'node:crypto';
import {
	type AgentDescription,
	type AvailableComponents,
	type ComponentHealth,
	configHash,
	type DecodeError,
	decodePart,
	type EffectiveConfig,
	type RemoteConfigStatus,
	type ScannedMessage,
} from '@ampora/opamp';
import { ok, type Result } from '@ampora/runtime';
import type { GatewayLimits } from '../limits.js';
import type { AgentSession } from '../session/session.js';
import { descriptionFact, fileList, healthTree, truncated } from './json.js';
import type { Unsaved } from './unsaved.js';

/** The sub-messages of one message that differ from those last heard, decoded. */
export interface ChangedParts {
	readonly description?: Changed<AgentDescription>;
	readonly health?: Changed<ComponentHealth>;
	readonly effective?: Changed<EffectiveConfig>;
	readonly status?: Changed<RemoteConfigStatus>;
	readonly components?: Changed<AvailableComponents>;
}
interface Changed<T> {
	readonly value: T;
	readonly digest: string;
}

const nothing: ChangedParts = {};

const digestOf = (bytes: Uint8Array): string => hash('sha1', bytes, 'base64');

type Known = Pick<
	AgentSession,
	'descriptionDigest' | 'healthDigest' | 'effectiveDigest' | 'statusDigest' | 'componentsDigest'
>;

/** Decodes what changed, and changes nothing: a message is taken whole or refused whole. */
export function changedParts(
	known: Known,
	{ parts }: ScannedMessage,
	{ message: limits }: GatewayLimits,
): Result<ChangedParts, DecodeError> {
	let changed: ChangedParts = nothing;
	const look = <T>(
		name: 'agentDescription' | 'health' | 'effectiveConfig' | 'remoteConfigStatus' | 'availableComponents',
		key: keyof ChangedParts,
		lastDigest: string,
	): DecodeError | undefined => {
		const bytes = parts[name];
		if (bytes === undefined) return undefined;
		const digest = digestOf(bytes);
		if (digest === lastDigest) return undefined;
		const part = decodePart(name, bytes, limits);
		if (!part.ok) return { ...part.error, message: `${name}: ${part.error.message}` };
		changed = { ...changed, [key]: { value: part.value as T, digest } };
		return undefined;
	};
	const error =
		look('agentDescription', 'description', known.descriptionDigest) ??
		look('health', 'health', known.healthDigest) ??
		look('effectiveConfig', 'effective', known.effectiveDigest) ??
		look('remoteConfigStatus', 'status', known.statusDigest) ??
		look('availableComponents', 'components', known.componentsDigest);
	return error ? { ok: false, error } : ok(changed);
}

/** Takes what changed into the session and into what is to be saved; absent parts stay as they were (C-48, C-60). */
export function fold(session: AgentSession, unsaved: Unsaved, changed: ChangedParts, limits: GatewayLimits): void {
	if (changed.description) foldDescription(session, unsaved, changed.description);
	if (changed.health) foldHealth(session, unsaved, changed.health);
	if (changed.effective) foldEffective(session, unsaved, changed.effective);
	if (changed.status) foldStatus(session, unsaved, changed.status, limits.errorTextMax);
	if (changed.components) foldComponents(session, unsaved, changed.components);
}

function foldDescription(session: AgentSession, unsaved: Unsaved, { value, digest }: Changed<AgentDescription>): void {
	session.descriptionDigest = digest;
	session.described = true;
	unsaved.description = descriptionFact(value);
	session.agentType = unsaved.description.agentType ?? undefined;
}

/** Flips and restarts are counted here, because only changes are saved and several may fall between two flushes. */
function foldHealth(session: AgentSession, unsaved: Unsaved, { value, digest }: Changed<ComponentHealth>): void {
	session.healthDigest = digest;
	const startTimeNanos = value.startTimeUnixNano.toString();
	const flipped = session.healthy !== null && session.healthy !== value.healthy;
	const started = value.startTimeUnixNano !== 0n;
	const restarted = started && session.startTimeNanos !== null && session.startTimeNanos !== startTimeNanos;
	unsaved.health = {
		healthy: value.healthy,
		tree: healthTree(value),
		flips: (unsaved.health?.flips ?? 0) + (flipped ? 1 : 0),
		restarts: (unsaved.health?.restarts ?? 0) + (restarted && session.startTimeNanos !== '0' ? 1 : 0),
		startTimeNanos,
	};
	session.healthy = value.healthy;
	if (started || session.startTimeNanos === null) session.startTimeNanos = startTimeNanos;
}

/** Bodies are large: they are saved only when they are others than those in the database. */
function foldEffective(session: AgentSession, unsaved: Unsaved, { value, digest }: Changed<EffectiveConfig>): void {
	session.effectiveDigest = digest;
	const contentHash = configHash(value.files);
	if (session.effectiveHash && Buffer.compare(contentHash, session.effectiveHash) === 0) return;
	session.effectiveHash = contentHash;
	unsaved.effective = { hash: contentHash, files: fileList(value.files) };
}

function foldStatus(
	session: AgentSession,
	unsaved: Unsaved,
	{ value, digest }: Changed<RemoteConfigStatus>,
	errorTextMax: number,
): void {
	session.statusDigest = digest;
	session.reportedHash = value.lastRemoteConfigHash.length === 0 ? null : value.lastRemoteConfigHash;
	session.reportedStatus = value.status;
	session.reportedError = truncated(value.errorMessage, errorTextMax);
	unsaved.remoteConfig = { hash: value.lastRemoteConfigHash, status: value.status, error: session.reportedError };
}

/** What agents call the set of their components, at most; any other is as good as none. */
const componentsHashBytesMax = 64;

function foldComponents(
	session: AgentSession,
	unsaved: Unsaved,
	{ value, digest }: Changed<AvailableComponents>,
): void {
	session.componentsDigest = digest;
	const { hash } = value;
	if (hash.length === 0 || hash.length > componentsHashBytesMax) return;
	session.componentsHash = hash;
	unsaved.componentsHash = hash;
}
