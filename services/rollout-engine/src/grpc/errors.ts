import { type ErrorCode, errorCatalogue } from '@ampora/api-contract';
import type { ControlError } from '@ampora/control';
import { Metadata, status } from '@grpc/grpc-js';

/** What grpc-js takes as an error: code, text, and the machine-readable rest in metadata. */
export interface GrpcError {
	readonly code: status;
	readonly details: string;
	readonly metadata: Metadata;
}

const statusOf = (code: ErrorCode): status => status[errorCatalogue[code].grpc as keyof typeof status];

export function grpcError(error: ControlError): GrpcError {
	const metadata = new Metadata();
	metadata.set('ampora-error-code', error.code);
	// Metadata is ASCII; texts may name groups in any script.
	metadata.set('ampora-error-action', encodeURIComponent(error.action));
	metadata.set('ampora-error-details-bin', Buffer.from(JSON.stringify(error.details)));
	return { code: statusOf(error.code), details: error.message, metadata };
}
