export { semanticHash } from './canonical.js';
export {
	type Compatibility,
	type ComponentCatalogue,
	type ComponentSection,
	compatibility,
	componentCatalogue,
	componentSections,
	neededComponents,
} from './compatibility.js';
export { endpointEdits, managementPathEdits, removedPipelines } from './concerns.js';
export { diffConfigs, type Edit, type EditKind, type EditOp, type ShownEdit, showEdit } from './diff.js';
export {
	type ConfigDocument,
	type ConfigFile,
	type ConfigLimits,
	type ConfigList,
	type ConfigMap,
	type ConfigNode,
	type ConfigScalar,
	defaultLimits,
	type ScalarValue,
} from './document.js';
export { type ConfigSource, type Difference, type EffectiveMatch, effectiveMatches } from './effective.js';
export { type Finding, type FindingCode, formatPath, type Path, type Position, type Severity } from './findings.js';
export { maskedText } from './masked_text.js';
export { mergeFiles, type NamedRoot } from './merge.js';
export { type ParsedConfig, parseConfig, type ValidationContext, validateConfig } from './parse.js';
export type { Hide, ShownValue } from './secrets.js';
