import { createRemoteJWKSet, errors, jwtVerify } from 'jose';
import { messageOf } from '../errors.ts';

export type PushOptions = {
  /** What the token must be made out to: the push endpoint's configured audience. */
  readonly audience: string;
  /** The service account that the subscription pushes as. */
  readonly email: string;
  readonly issuer?: string | readonly string[];
  /** Where the issuer's public keys are. */
  readonly jwksUrl?: string;
};

const google = {
  issuer: ['https://accounts.google.com', 'accounts.google.com'],
  jwksUrl: 'https://www.googleapis.com/oauth2/v3/certs',
} as const;

/** `refused`: the token is not good. `unknown`: nobody can tell now, since the issuer's keys cannot be fetched. */
export type PushProblem = { readonly kind: 'refused' | 'unknown'; readonly detail: string };

const refused = (detail: string): PushProblem => ({ kind: 'refused', detail });

/** What jose throws when the token itself is at fault; anything else comes from fetching the keys. */
const isTokensFault = (error: unknown): boolean =>
  error instanceof errors.JOSEError &&
  !(error instanceof errors.JWKSTimeout) &&
  !(error instanceof errors.JWKSInvalid) &&
  error.code !== 'ERR_JOSE_GENERIC';

/**
 * Checks the OIDC token of a Pub/Sub push request (Pub/Sub guide, authentication for push): RS256 signature, issuer,
 * audience, expiry, e-mail and that it is verified. Resolves with what is wrong, or undefined.
 */
export const createPushVerifier = ({
  audience,
  email,
  issuer = google.issuer,
  jwksUrl = google.jwksUrl,
}: PushOptions): ((token: string) => Promise<PushProblem | undefined>) => {
  const keys = createRemoteJWKSet(new URL(jwksUrl), { timeoutDuration: 5_000 });
  return async (token) => {
    try {
      const { payload } = await jwtVerify(token, keys, {
        audience,
        issuer: typeof issuer === 'string' ? issuer : [...issuer],
        algorithms: ['RS256'],
        requiredClaims: ['exp'],
      });
      if (payload.email !== email) return refused('the token names another e-mail');
      return payload.email_verified === true ? undefined : refused("the token's e-mail is not verified");
    } catch (error) {
      return isTokensFault(error)
        ? refused(`the token is not valid: ${messageOf(error)}`)
        : { kind: 'unknown', detail: 'the keys that sign tokens cannot be fetched now' };
    }
  };
};
