"""The words of the sample database: Korean and English, with emoji, quotes, backslashes, tabs and line breaks."""

PEOPLE = (
    ("minseo", "admin"),
    ("jihoon", "user"),
    ("soyeon", "user"),
    ("alex", "user"),
    ("visitor", "guest"),
)

MODELS = ("gemini-3-flash-preview:cloud", "qwen3:14b", "gpt-oss:20b", None)

TOPICS = (
    "분기 보고서",
    "PostgreSQL migration",
    "신제품 출시 계획 🚀",
    "React 컴포넌트",
    "여행 일정",
    "release notes",
    "면접 준비",
    'the team\'s "quick wins" list',
    "로그 분석 📊",
    "weekly menu 🥗",
    "논문 요약",
    "onboarding e-mail",
)

QUESTIONS = (
    "{topic}에 대해 세 줄로 요약해 줘.",
    "What should I know about {topic} before Monday?",
    "{topic} 초안을 좀 더 짧게 고쳐 줄래? 🙏",
    "Please list the risks of {topic}, most important first.",
    '"{topic}" — 이 제목이 괜찮을까?',
    "다시 설명해 줘.\n예시도 하나 부탁해!",
    "Is this still true?\n\n> {topic}: done by Friday",
    "고마워 👍",
)

ANSWERS = (
    "{topic}의 핵심은 세 가지입니다:\n\n1. 목표를 먼저 정합니다.\n2. 담당자를 정합니다.\n3. 매주 확인합니다. ✅",
    "Here is a short overview of {topic}:\n\n- **Scope**: keep it small\n- **Owner**: one person\n- **Risk**: it's new",
    "| 항목 | 상태 |\n|---|---|\n| {topic} | 진행 중 |\n| 검토 | 대기 ⏳ |",
    "```python\npath = 'C:\\\\temp\\\\notes.txt'\nprint(\"한글\", path)\n```\n위 코드는 경로를 출력합니다.",
    'Yes, with one caveat: "{topic}" depends on last quarter\'s numbers (≈ 12 %).\tCheck them first.',
    "죄송하지만 그 부분은 확실하지 않습니다. {topic} 자료를 조금 더 보내 주시겠어요? 😊",
)

AGENTS = (
    ("코드 리뷰어", "🧑‍💻", "development", "You review code.\nBe kind, be brief, and quote the line."),
    ("Travel planner", "✈️", "lifestyle", "Plan trips day by day. Always name the budget."),
    ("번역가", "🌐", "language", '한국어와 영어를 서로 번역합니다. 원문의 "말투"를 지킵니다.'),
    ("Data analyst", "📊", "analysis", "Answer with a table first, then one sentence."),
    ("회의록 정리", "📝", "productivity", "회의록을 결정 사항과 할 일로 나눕니다."),
    ("SQL tutor", "🐘", "development", "Explain queries step by step; never guess a schema."),
    ("요리 도우미", "🍳", "lifestyle", "냉장고에 있는 재료로만 조리법을 제안합니다."),
    ("Interview coach", "🤖", "career", "Ask one question at a time.\tWait for the answer."),
)

FEEDBACK = (
    "정말 도움이 됐어요! 🎉",
    "Too long; didn't read.",
    "",
    "링크가 열리지 않습니다.",
    "It's exactly what I needed",
    None,
)

TAGS = ("업무", "urgent", "개인", "idea 💡", "later", "코드")

MEMORIES = (
    ("preference", "answer_style", "짧고 분명한 답을 좋아함"),
    ("preference", "theme", "dark"),
    ("fact", "time_zone", "Asia/Seoul"),
    ("fact", "birthday_month", "11월"),
    ("project", "current_project", 'Works on "Orbit", a chat application'),
    ("relationship", "team_lead", "팀장은 하늘 님"),
    ("skill", "language", "Python 🐍, SQL, 한국어"),
    ("skill", "editor", "vim, in C:\\tools\\vim"),
    ("context", "device", "Types on a phone;\navoid wide tables"),
    ("context", "note", ""),
)

ACTIONS = (
    ("login", "user"),
    ("logout", "user"),
    ("create_session", "session"),
    ("update_agent", "agent"),
    ("export_data", "conversation"),
    ("login_failed", None),
)

USER_AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_2 like Mac OS X) AppleWebKit/605.1.15",
    "orbit-cli/1.4",
    None,
)

STEP_TYPES = ("search", "read", "compare", "summarize")

CODE = "def greet(name):\n\treturn f\"안녕하세요, {name}!\"\n\n\nprint(greet('O\\'Neil'))\n"
