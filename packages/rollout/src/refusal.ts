export type RefusalCode =
	| 'not-allowed'
	| 'gate-firing'
	| 'inconclusive'
	| 'not-answered'
	| 'overruled'
	| 'reason-required'
	| 'no-way-back'
	| 'protected-group'
	| 'plan-void'
	| 'too-many-domains'
	| 'looser-gate'
	| 'outside-window'
	| 'busy'
	| 'unknown-agent'
	| 'successor-refused';

/** Why a command was not carried out, for machines and for people; null: it was. */
export type Refusal = { readonly code: RefusalCode; readonly message: string } | null;

export const refuse = (code: RefusalCode, message: string): Refusal => ({ code, message });
