import { createRemoteJWKSet, jwtVerify } from 'jose';
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

/**
 * Checks the OIDC token of a Pub/Sub push request (Pub/Sub guide, authentication for push): RS256 signature, issuer,
 * audience, expiry, e-mail and that it is verified. Resolves with what is wrong, or undefined.
 */
export const createPushVerifier = ({
  audience,
  email,
  issuer = google.issuer,
  jwksUrl = google.jwksUrl,
}: PushOptions): ((token: string) => Promise<string | undefined>) => {
  const keys = createRemoteJWKSet(new URL(jwksUrl), { timeoutDuration: 5_000 });
  return async (token) => {
    try {
      const { payload } = await jwtVerify(token, keys, {
        audience,
        issuer: typeof issuer === 'string' ? issuer : [...issuer],
        algorithms: ['RS256'],
        requiredClaims: ['exp'],
      });
      if (payload.email !== email) return 'the token names another e-mail';
      return payload.email_verified === true ? undefined : "the token's e-mail is not verified";
    } catch (error) {
      return `the token is not valid: ${messageOf(error)}`;
    }
  };
};
