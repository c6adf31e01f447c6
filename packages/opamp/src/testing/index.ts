export * as wire from '../gen/opamp/v1/opamp.js';
export { type AgentMessageInput, encodeAgentToServer } from './agent_side.js';
export { decodeServerToAgent, type ReceivedMessage } from './server_reply.js';
