export { takeServiceEnvironment, variablesForSuccessor, type ServiceEnvironment } from "./environment.ts";
export { encodeMessage, type ServiceMessage } from "./message.ts";
export { createMessageSender, type MessageSender, type MessageSenderOptions, type SenderProgram } from "./message-sender.ts";
export { createServiceNotifier, unwatched, type ServiceNotifier, type ServiceNotifierOptions } from "./notifier.ts";
