import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { codeOf } from '../errors.ts';
import { Problem, problemBody } from './problem.ts';

const problemOf = (error: Error): Problem => {
  switch (codeOf(error)) {
    case 'HPE_HEADER_OVERFLOW':
      return new Problem('headers-too-large', 'the headers are longer than the file manager takes: send less in them');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new Problem('stalled', 'the request took too long to arrive: send it again');
    default:
      return new Problem('bad-request', 'what came is no HTTP request: check the address and the protocol');
  }
};

/**
 * Answers what never becomes a request, since Node's parser gives it up, and ends its connection. No hook and no handler hears
 * of it, so the answer is written as it goes over the wire.
 */
export const answerNoRequest = (error: Error, socket: Socket): void => {
  const problem = problemOf(error);
  const body = JSON.stringify(problemBody(problem));
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    'connection: close',
    'content-type: application/problem+json',
    `content-length: ${Buffer.byteLength(body)}`,
  ];
  if (socket.writable) socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  socket.destroy(error);
};
