// The host's `llm`, in a file of its own: a component imports what its plugin uses, and nothing else.
export { default as llm } from "jackfield:plugin/llm@1.0.0";
