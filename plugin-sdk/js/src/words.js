// The contract's closed lists of words.

export const REASONING = ["none", "minimal", "low", "medium", "high"];
export const REJECT_CLASSES = ["invalid-request", "forbidden", "rate-limited", "unavailable"];
