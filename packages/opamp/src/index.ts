export {
	type AgentDescription,
	type AgentMessage,
	type AgentReport,
	type ApplyStatus,
	type AvailableComponents,
	type ComponentDetails,
	type ComponentHealth,
	type ConnectionSettingsRequest,
	type ConnectionSettingsStatus,
	type CustomMessage,
	decodeAgentToServer,
	decodePart,
	decodeParts,
	type EffectiveConfig,
	type PackageInstallStatus,
	type PackageStatus,
	type PackageStatuses,
	type RemoteConfigStatus,
} from './agent_message.js';
export { type AnyValue, type Attribute, type AttributeJson, attributesJson, valueJson } from './any_value.js';
export {
	type AgentCapabilities,
	type AgentCapability,
	agentCapabilities,
	agentCapabilitiesOf,
	type ServerCapabilities,
	type ServerCapability,
	serverCapabilities,
	serverCapabilitiesOf,
} from './capabilities.js';
export { type ConfigFile, type ConfigFiles, configHash, offeredHash } from './config_hash.js';
export { type DecodeError, type PeerAction, type Refusal, type RefusalCode, refusals } from './errors.js';
export { type Frame, messageOf, unframe } from './framing.js';
export { type InstanceUid, parseUid, uidBytes, uidText } from './instance_uid.js';
export { defaultMessageLimits, instanceUidBytes, type MessageLimits } from './limits.js';
export { type AgentParts, type PartName, type ScannedMessage, scanAgentToServer } from './scan.js';
export {
	encodeServerError,
	encodeServerToAgent,
	encodeSharedOffer,
	encodeSharedSettings,
	type OpampSettingsOffer,
	type RemoteConfigOffer,
	type ServerContent,
	type ServerError,
	type ServerErrorType,
	type SharedOffer,
	withUid,
} from './server_message.js';
