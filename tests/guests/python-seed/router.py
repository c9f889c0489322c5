from jackfield import Router

class MyRouter(Router):
    def route(self, prompt: str) -> str:
        if "urgent" in prompt:
            return "fast-model"
        return "smart-model"
