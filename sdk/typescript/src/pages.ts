import type { DescMessage, DescMethod, Message, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { malformed } from "./errors.js";
import type { CallOptions, Transport } from "./transport.js";

/** The items of a list, page by page; each page is a call with a deadline and tries of its own. */
export async function* items<I extends DescMessage, O extends DescMessage, T>(
  transport: Transport,
  method: DescMethod & { input: I; output: O },
  request: MessageInitShape<I>,
  options: CallOptions,
  of: (page: MessageShape<O>) => readonly T[],
): AsyncGenerator<T, void, undefined> {
  let token = (request as { pageToken?: string }).pageToken ?? "";
  for (;;) {
    const { answer, requestId } = await transport.unary(method, { ...request, pageToken: token }, options, true);
    yield* of(answer);
    const next = (answer as Message & { nextPageToken?: string }).nextPageToken ?? "";
    if (next === "") return;
    if (next === token) throw malformed("a page names itself as the next", requestId);
    token = next;
  }
}
