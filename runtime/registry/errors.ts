import { REGISTRY_FORMAT } from '../../contract/registry';

export type RegistryProblem =
  | { readonly kind: 'unreachable'; readonly reason: string }
  | { readonly kind: 'denied'; readonly reason: string }
  | { readonly kind: 'deleted' }
  | { readonly kind: 'unparsable'; readonly reason: string }
  | { readonly kind: 'newer-format'; readonly format: number }
  | { readonly kind: 'other-cluster'; readonly stored: string; readonly expected: string }
  /** It was moved, or is a copy that is not complete. */
  | { readonly kind: 'closed'; readonly movedTo?: string | undefined; readonly copyOf?: string | undefined }
  /** A file of an earlier format could not be upgraded or kept. */
  | { readonly kind: 'not-upgraded'; readonly reason: string };

/** A registry that cannot be opened. Nothing was written over it. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError';
  readonly kind: RegistryProblem['kind'];
  constructor(
    location: string,
    readonly problem: RegistryProblem,
  ) {
    super(messageOf(location, problem));
    this.kind = problem.kind;
  }
}

function messageOf(location: string, problem: RegistryProblem): string {
  switch (problem.kind) {
    case 'unreachable':
      return `cannot reach the registry ${location}: ${problem.reason}. Nothing was changed; check bucket or path, region, endpoint and network.`;
    case 'denied':
      return `access to the registry ${location} is denied: ${problem.reason}. It needs s3:GetObject and s3:PutObject on the key, s3:ListBucket and s3:ListBucketVersions with the key as prefix (a local path: read and write on the folder).`;
    case 'deleted':
      return `the registry ${location} was deleted. Restore an earlier version of it, or start with --allow-reset to begin without its positions.`;
    case 'unparsable':
      return `the registry ${location} cannot be used: ${problem.reason}. It was left as it is; restore an earlier version of it, or move it away to begin without its positions.`;
    case 'newer-format':
      return `the registry ${location} has format ${problem.format}; this version knows up to ${REGISTRY_FORMAT}. It was left as it is; start the newer version again.`;
    case 'other-cluster':
      return `the registry ${location} belongs to "${problem.stored}", not to "${problem.expected}". It was left as it is; use a key of its own, or the cluster id "${problem.stored}".`;
    case 'closed':
      return problem.movedTo === undefined
        ? `the registry ${location} is a copy of ${problem.copyOf ?? 'another one'} that is not complete. Run "registry copy" again.`
        : `the registry ${location} was moved to ${problem.movedTo}. Use that one; to come back, copy it here.`;
    case 'not-upgraded':
      return `the registry ${location} is a file of version 1 that could not be upgraded: ${problem.reason}. It was left as it is.`;
  }
}

/** How a lease ends while its owner is still running. The owner must stop all work and never writes again. */
export type LeaseEnd =
  | { readonly kind: 'fenced'; readonly by: { readonly owner: string; readonly host: string; readonly epoch: number } }
  /** It was not renewed in time, and may belong to another instance by now. */
  | { readonly kind: 'expired'; readonly deadlineMs: number }
  /** The object is gone, or something else is in its place. */
  | { readonly kind: 'lost'; readonly reason: string };

export function describeLeaseEnd(end: LeaseEnd): string {
  switch (end.kind) {
    case 'fenced':
      return `a new owner has taken over: ${end.by.owner} on ${end.by.host}, epoch ${end.by.epoch}`;
    case 'expired':
      return `the lease could not be renewed within ${end.deadlineMs} ms: another instance may take over`;
    case 'lost':
      return `the registry is lost: ${end.reason}`;
  }
}

/** Work was asked for after the lease had ended. */
export class LeaseEndedError extends Error {
  override readonly name = 'LeaseEndedError';
  constructor(readonly end: LeaseEnd) {
    super(describeLeaseEnd(end));
  }
}
