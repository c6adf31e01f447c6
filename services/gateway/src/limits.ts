import { defaultMessageLimits, type MessageLimits } from '@ampora/opamp';

/** Every bound of the gateway, with its unit. Full is an answer: each has a typed outcome for whoever meets it (D6). */
export interface GatewayLimits {
	readonly message: MessageLimits;
	/** Open WebSockets; above, upgrades are refused with 503. */
	readonly socketsMax: number;
	/** Agents with a session over plain HTTP. */
	readonly pollersMax: number;
	/** Agents that may share one WebSocket. */
	readonly agentsPerSocketMax: number;
	/** Frames of one agent that wait while it is being admitted or renamed. */
	readonly waitingFramesMax: number;
	/** Agents waiting for admission; above, newcomers are refused with 503. */
	readonly admissionsMax: number;
	/** Agents in one round of admission. */
	readonly admissionBatchMax: number;
	/** Frames an agent may send at once, and per second in the long run. */
	readonly frameBurstMax: number;
	readonly framesPerSecondMax: number;
	/** Bytes in a socket's send buffer above which nothing more is pushed to it. */
	readonly sendBufferBytesMax: number;
	/** Answers that wait for a socket whose buffer is full; one more ends it. */
	readonly waitingAnswersMax: number;
	/** A socket whose buffer stayed full for so long is ended. */
	readonly stalledSocketMs: number;
	/** A socket has to send its first message within this time. */
	readonly firstFrameMs: number;
	/** A silent socket is pinged after this time, and ended when it stays silent for as long again. */
	readonly silentSocketMs: number;
	/** Agents in one statement of reports, and in one of offers. */
	readonly flushBatchMax: number;
	readonly offerBatchMax: number;
	/** Bodies of versions kept in memory, bytes. */
	readonly versionCacheBytesMax: number;
	/** Bodies waiting to be compared, bytes; above, the comparison is left out and the answer stays unknown. */
	readonly matchQueueBytesMax: number;
	/** Longest error text kept of an agent, characters. */
	readonly errorTextMax: number;
	/** Enrollment tokens whose validity is remembered. */
	readonly rememberedTokensMax: number;
}

const MiB = 1024 * 1024;

export const defaultLimits: GatewayLimits = {
	message: defaultMessageLimits,
	socketsMax: 50_000,
	pollersMax: 50_000,
	agentsPerSocketMax: 1_000,
	waitingFramesMax: 16,
	admissionsMax: 20_000,
	admissionBatchMax: 1_000,
	frameBurstMax: 200,
	framesPerSecondMax: 50,
	sendBufferBytesMax: 256 * 1024,
	waitingAnswersMax: 1_024,
	stalledSocketMs: 60_000,
	// A client that only reconnected says nothing until its next heartbeat, and those are 30 s apart.
	firstFrameMs: 90_000,
	silentSocketMs: 45_000,
	flushBatchMax: 2_000,
	offerBatchMax: 1_000,
	versionCacheBytesMax: 64 * MiB,
	matchQueueBytesMax: 64 * MiB,
	errorTextMax: 16_384,
	rememberedTokensMax: 1_024,
};
