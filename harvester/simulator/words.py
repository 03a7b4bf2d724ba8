"""The raw material of synthetic titles and descriptions: ordinary words, and what breaks careless readers."""

LANGUAGES = {
    "en": (
        "music video official live session acoustic cover guitar piano lesson review unboxing trailer "
        "episode season highlights interview behind the scenes full album remix lyric new best of the "
        "week how to build a small garden recipe easy dinner for two morning routine city walk rain "
        "sounds study focus deep sleep ambient forest river drone footage travel guide budget tips "
        "workout beginner stretch challenge reaction funny moments compilation gameplay walkthrough part "
        "final boss update patch news today weather science explained history short documentary art "
        "drawing tutorial painting craft wood repair engine car test drive camera lens comparison phone"
    ),
    "es": (
        "canción nueva oficial en vivo concierto letra guitarra lección receta fácil cena rápida viaje "
        "por la ciudad montaña playa sonido lluvia entrevista capítulo temporada resumen mejores jugadas "
        "cómo aprender español cocina abuela jardín pequeño niños cuento historia corta año corazón"
    ),
    "fr": (
        "chanson officielle concert en direct paroles guitare leçon recette facile dîner été voyage à "
        "travers la forêt près de chez vous entretien épisode saison résumé où apprendre français cœur"
    ),
    "ja": (
        "音楽 公式 動画 新曲 ライブ 弾いてみた 料理 簡単 レシピ 旅行 東京 散歩 雨の音 作業用 勉強 睡眠 "
        "猫 日常 ゲーム 実況 最終回 解説 入門 講座 初心者 歴史 科学 絵の描き方 カメラ 比較"
    ),
    "ko": (
        "음악 공식 영상 신곡 라이브 커버 요리 간단한 레시피 여행 서울 산책 빗소리 공부 수면 고양이 일상 "
        "게임 실황 마지막회 해설 입문 강좌 초보자 역사 과학 그림 그리기 카메라 비교"
    ),
    "hi": ("संगीत आधिकारिक वीडियो नया गाना लाइव गिटार सीखें आसान रेसिपी यात्रा शहर बारिश साक्षात्कार कहानी बच्चों के लिए खेल"),
    "ar": (
        "موسيقى فيديو رسمي أغنية جديدة حفلة مباشرة درس وصفة سهلة رحلة المدينة صوت المطر مقابلة حلقة قصة قصيرة للأطفال"
    ),
}

EMOJI = ("🎵", "🔥", "👍", "👨‍👩‍👧‍👦", "🏳️‍🌈", "❤️", "🇫🇷", "🧑🏽‍🚀", "✨", "🎸", "😂", "1️⃣")

BIDI_MARKS = ("\u200e", "\u200f", "\u202a", "\u202b", "\u202c", "\u2066", "\u2069")

# One template each in every pool, so that every crawl of some size meets them all.
HOSTILE_TITLES = (
    "\x1b[31mRED\x1b[0m alert \x1b]0;owned\x07",
    "\x1b[2J\x1b[1;1H screen wiped",
    "<script>alert('title')</script> & more",
    '<img src=x onerror="alert(1)">',
    '=HYPERLINK("http://example.com","click")',
    "'; DROP TABLE videos; --",
    "\u202egnp.exe harmless \u202c picture",
    "line\u2028separator and\u2029paragraph",
    "100%s {0} {{braces}} ${HOME} `id` [bold]rich[/bold]",
    "tab\tand\rcarriage\r\nreturn",
    "Ze\u0301 combines, Z\u0351\u036b\u0343a\u0300\u0319\u034el\u0315g\u0321o",
    "back\\slash \"quotes\" 'and' /slash/ \\u0041 \\n",
    "nan",
    " \u00a0 leading and trailing \u3000 ",
    "\u200b\u200b\u200b",
    "null\u007f delete \u0085 next \ufeff bom",
)

TOPICS = (
    "Music",
    "Pop_music",
    "Rock_music",
    "Hip_hop_music",
    "Electronic_music",
    "Film",
    "Entertainment",
    "Video_game_culture",
    "Action_game",
    "Lifestyle_(sociology)",
    "Food",
    "Hobby",
    "Knowledge",
    "Society",
    "Sport",
    "Technology",
    "Tourism",
    "Vehicle",
    "Music_of_Latin_America",
    "Jazz",
)

_COUNTRY_CODES = (
    "AD AE AF AG AL AM AO AR AT AU AZ BA BB BD BE BF BG BH BI BJ BN BO BR BS BT BW BY BZ CA CD CF CG CH CI "
    "CL CM CN CO CR CU CV CY CZ DE DJ DK DM DO DZ EC EE EG ER ES ET FI FJ FR GA GB GD GE GH GM GN GQ GR GT "
    "GW GY HN HR HT HU ID IE IL IN IQ IR IS IT JM JO JP KE KG KH KI KM KN KP KR KW KZ LA LB LC LI LK LR LS "
    "LT LU LV LY MA MC MD ME MG MK ML MM MN MR MT MU MV MW MX MY MZ NA NE NG NI NL NO NP NZ OM PA PE PG PH "
    "PK PL PT PY QA RO RS RU RW SA SB SC SD SE SG SI SK SL SN SO SR SV SY SZ TD TG TH TJ TN TR TT TW TZ UA "
    "UG US UY UZ VA VC VE VN YE ZA ZM ZW"
)
COUNTRIES = tuple(_COUNTRY_CODES.split())
