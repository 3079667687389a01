/** Commands of the assistant, which other plugins execute. */

/** Opens the assistant; with `model`, a new chat with that model. */
export const CHAT_COMMAND = 'a3s-power:open-chat';

/** Opens the chat `id` in a tab of the main area. */
export const CHAT_TAB_COMMAND = 'a3s-power:open-chat-tab';
