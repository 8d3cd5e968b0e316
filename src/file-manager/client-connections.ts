import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';

/** A request of fetch, as the runtime tells of it. */
type Told = { readonly request: { readonly body?: unknown } };

let watching = false;

/**
 * From then on this process uses no connection again on which a request with a body was answered with anything but a
 * success (RFC 9112, section 9.3): the other side may have answered before it read the body, and the next request would
 * wait behind bytes that nobody reads. What lies in the buffers of the system counts as sent, so fetch itself cannot
 * know; and it gives no hold on its connections, so what the runtime tells of them is listened to.
 */
export const leaveConnectionsThatRefused = (): void => {
  if (watching) return;
  watching = true;
  const sockets = new WeakMap<object, Socket>();
  const refused = new WeakSet<object>();
  subscribe('undici:client:sendHeaders', (message) => {
    const { request, socket } = message as Told & { readonly socket: Socket };
    if (request.body != null) sockets.set(request, socket);
  });
  subscribe('undici:request:headers', (message) => {
    const { request, response } = message as Told & { readonly response: { readonly statusCode: number } };
    if (response.statusCode >= 300) refused.add(request);
  });
  // Sent when the answer has been read to its end, before the connection is given to another request.
  subscribe('undici:request:trailers', (message) => {
    const { request } = message as Told;
    if (refused.has(request)) sockets.get(request)?.destroy();
  });
};
