export { voidedBy } from './approval.js';
export { wayBack } from './back.js';
export { closesAtMs } from './calendar.js';
export {
	type Calendar,
	type ChangeWindow,
	type Freeze,
	outlook,
	type Weekday,
	type WindowState,
	weekdays,
	windowProblem,
	windowState,
} from './change_windows.js';
export { type PlannedStep, stepCount, stepSpecAt, stepsAhead } from './cohorts.js';
export { decide } from './decide.js';
export type * from './decision.js';
export { changedTargetsMax, pageTargetsMax, quietTickMs, tickIntervalMs } from './decision.js';
export {
	decideEnrolment,
	type Enrolled,
	type EnrolmentDecision,
	type EnrolmentSnapshot,
	type EnrolmentState,
	type EnrolmentVerdict,
	enrolmentGate,
	enrolmentTickMs,
	newEnrolment,
	resumedEnrolment,
} from './enrolment.js';
export { type Forecast, forecast, type GateForecast, type StepForecast } from './forecast.js';
export type { MetricGateForecast } from './forecast_duration.js';
export { type GateVerdict, type GateView, gateVerdicts, isAdvisory } from './gates.js';
export { holdingText } from './hold.js';
export { breaches } from './invariants.js';
export { canonicalJson, decisionDigest, journalInput } from './journal.js';
export { dueMetricGates, type MetricAsk } from './metric_gates.js';
export {
	cohortQuery,
	judgeSample,
	type MetricAnswer,
	type MetricSample,
	metricQuery,
	oldestSampleMs,
} from './metric_samples.js';
export type { MetricGateInput } from './metric_spec.js';
export type * from './model.js';
export { gateNames, touchedStates } from './names.js';
export { dueObservedMs, plannedMembersMax, snapshotNeeds } from './needs.js';
export { newRollout } from './new_rollout.js';
export { offersOf } from './offers.js';
export { type Plan, planTargets, provenBefore } from './plan.js';
export { invariants, rolloutReference } from './reference.js';
export {
	defaultGates,
	defaultSpec,
	defaultStrategies,
	presets,
	resolveSpec,
	type SpecInput,
	type SpecProblem,
	validateSpec,
} from './spec.js';
export { startsByItself } from './start.js';
export { populationOf } from './steps.js';
export { inItsPlace, keepingItsPlace, notStarting, successorIn } from './succession.js';
export {
	emptyBack,
	emptyCounters,
	isTouched,
	membersOf,
	stateCounts,
	tally,
	touchedOf,
	withoutUnsent,
} from './tally.js';
export {
	type CommandPlace,
	commandAllowed,
	commandState,
	commandTable,
	hasEnded,
	type Legality,
	legalCommands,
	legality,
	overruledBy,
	stateExits,
} from './transitions.js';
export { turnOfGroup } from './wake.js';
export { bakeNeededMs, dwellNeededMs } from './windows.js';
