package io.quern.text;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * Lines of text in many languages and of none: words, scripts at random, emoji, combining marks,
 * spaces and controls of all kinds, compatibility characters, broken UTF-16.
 */
final class Corpus {
  private static final String[] WORDS =
      ("the of and to in is that it was for on are with as they be at one have this from or had by"
           + " word but not what all were we when your can said there use an each which she do how"
           + " their if will up other about out many then them these so some her would make like"
           + " him into time has look two more write go see number no way could people my than"
           + " first water been call who oil its now find long down day did get come made may part"
           + " don't I'm we've they're it's you'll he'd DON'T I'M WE'VE tokenization unbelievable"
           + " internationalisation HTTP README café naïve Ångström über Straße façade São coração"
           + " niño año français élève garçon œuvre cœur señor mañana Žižek Dvořák Łódź żółć"
           + " İstanbul ılık ığdır Đà Nẵng Việt tiếng người được không привет мир как дела это ещё"
           + " Ёлка їжак Ελλάδα Αθήνα ὁδός ἄνθρωπος ΣΊΣΥΦΟΣ Σοφός שלום עולם שָׁלוֹם مرحبا بالعالم"
           + " العَرَبِيَّة فارسی می‌خواهم اردو नमस्ते दुनिया हिन्दी क्षत्रिय বাংলা ভাষা தமிழ் மொழி"
           + " తెలుగు ಕನ್ನಡ മലയാളം සිංහල ภาษาไทย สวัสดีชาวโลก ພາສາລາວ မြန်မာဘာသာ ភាសាខ្មែរ བོད་སྐད་"
           + " 你好世界 中文 漢字 汉字 日本語 ひらがな カタカナ ﾊﾝｶｸ 東京タワー 한국어 안녕하세요 ქართული Հայերեն አማርኛ 3.14 1,000,000"
           + " 2024-01-31 12:30 50% $9.99 €20 ½ x² H₂O ①②③ ⅷ ٣٤٥ १२३ user@example.com"
           + " https://example.org/a?b=c&d=e#f foo_bar fooBar snake_case_name C++ a/b (x) [y] {z}"
           + " \"quoted\" 'single' “curly” «guillemets» „low“ … — – -- ... !? #tag @name 🙂 👍🏽"
           + " 👨‍👩‍👧‍👦 🏳️‍🌈 🇩🇪🇫🇷 1️⃣ ﷺ ﬁ ﬀ Ⅷ ㎏ ﾞ ａｂｃ ｱｲｳ 𝔘𝔫𝔦 𝟘𝟙 ℌ ™ ª º Å Ω ſ K ẞ ŉ"
           + " ǆ ΐ ΰ")
          .split(" ");

  private static final String[] MARKERS = {
    "[CLS]", "[SEP]", "[MASK]", "[UNK]", "[PAD]", "<s>", "</s>", "<unk>", "<mask>", "<pad>",
    "<|endoftext|>", "<|im_start|>", "[cls]", "<S>", "▁", "Ġ", "##ing", "</w>", "<0x0A>", "newtok",
    "NewTok", "[", "<", "Ċ", "<|", "hyper"
  };

  private static final int[][] SCRIPTS = {
    {'a', 'z'},
    {'A', 'Z'},
    {0xC0, 0x17F},
    {0x180, 0x24F},
    {0x1E00, 0x1EFF},
    {0x370, 0x3FF},
    {0x1F00, 0x1FFF},
    {0x400, 0x52F},
    {0x531, 0x58F},
    {0x591, 0x5F4},
    {0x600, 0x6FF},
    {0x700, 0x7BF},
    {0x8A0, 0x8FF},
    {0x900, 0x97F},
    {0x980, 0x9FF},
    {0xA00, 0xAFF},
    {0xB00, 0xBFF},
    {0xC00, 0xCFF},
    {0xD00, 0xDFF},
    {0xE00, 0xE5B},
    {0xE80, 0xEFF},
    {0xF00, 0xFFF},
    {0x1000, 0x109F},
    {0x10A0, 0x10FF},
    {0x1100, 0x11FF},
    {0x1200, 0x139F},
    {0x13A0, 0x167F},
    {0x1700, 0x18AF},
    {0x1900, 0x1CFF},
    {0x1D00, 0x1DFF},
    {0x2C00, 0x2DFF},
    {0x3041, 0x30FF},
    {0x3100, 0x33FF},
    {0x3400, 0x4DBF},
    {0x4E00, 0x9FFF},
    {0xA000, 0xABFF},
    {0xAC00, 0xD7A3},
    {0xF900, 0xFAFF},
    {0xFB00, 0xFDFF},
    {0xFE00, 0xFEFF},
    {0xFF00, 0xFFEF},
    {0x10000, 0x10FFF},
    {0x11000, 0x11FFF},
    {0x12000, 0x16FFF},
    {0x1B000, 0x1CFFF},
    {0x1D000, 0x1D7FF},
    {0x1E000, 0x1EFFF},
    {0x1F100, 0x1F2FF},
    {0x20000, 0x323AF},
    {0xE0000, 0xE01EF}
  };

  private static final int[][] MARKS = {
    {0x300, 0x36F},
    {0x483, 0x487},
    {0x591, 0x5C7},
    {0x64B, 0x65F},
    {0x93C, 0x94D},
    {0xE31, 0xE4E},
    {0xF71, 0xF84},
    {0x1AB0, 0x1ACE},
    {0x1DC0, 0x1DFF},
    {0x20D0, 0x20F0},
    {0x302A, 0x302F},
    {0x3099, 0x309A},
    {0xFE00, 0xFE0F},
    {0xFE20, 0xFE2F},
    {0x1D165, 0x1D172},
    {0x1E000, 0x1E02A}
  };

  private static final int[] SPACES = {
    ' ', ' ', ' ', ' ', '\t', '\n', '\r', 0xB, 0xC, 0x85, 0xA0, 0x1680, 0x2000, 0x2003, 0x2009,
    0x200A, 0x200B, 0x2028, 0x2029, 0x202F, 0x205F, 0x2060, 0x3000, 0xFEFF, 0x180E, 0x200C, 0x200D
  };

  private final SplittableRandom random;
  private final StringBuilder line = new StringBuilder();

  private Corpus(long seed) {
    random = new SplittableRandom(seed);
  }

  /** So many lines; the same for the same seed. */
  static List<String> lines(int count, long seed) {
    Corpus corpus = new Corpus(seed);
    List<String> lines = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      lines.add(corpus.line());
    }
    return lines;
  }

  private String line() {
    line.setLength(0);
    int style = random.nextInt(10);
    int segments = random.nextInt(20) == 0 ? random.nextInt(3) : 1 + random.nextInt(30);
    for (int i = 0; i < segments; i++) {
      if (style < 4) {
        word();
      } else {
        segment();
      }
      if (random.nextInt(4) != 0) {
        line.append(' ');
      }
    }
    return line.toString();
  }

  private void word() {
    line.append(WORDS[random.nextInt(WORDS.length)]);
    if (random.nextInt(8) == 0) {
      line.append(".,;:!?".charAt(random.nextInt(6)));
    }
  }

  private void segment() {
    switch (random.nextInt(14)) {
      case 0, 1, 2, 3 -> word();
      case 4, 5 -> run(SCRIPTS[random.nextInt(SCRIPTS.length)], 1 + random.nextInt(8));
      case 6 -> {
        run(SCRIPTS[random.nextInt(SCRIPTS.length)], 1);
        marks(1 + random.nextInt(4));
      }
      case 7 -> spaces(1 + random.nextInt(4));
      case 8 -> run(new int[] {0, 0x9F}, 1 + random.nextInt(4));
      case 9 -> run(new int[] {0x21, 0x7E}, 1 + random.nextInt(6));
      case 10 -> line.append(MARKERS[random.nextInt(MARKERS.length)]);
      case 11 -> run(new int[] {0x2010, 0x2BFF}, 1 + random.nextInt(3));
      case 12 -> emoji();
      default -> anything();
    }
  }

  private void run(int[] range, int length) {
    for (int i = 0; i < length; i++) {
      line.appendCodePoint(range[0] + random.nextInt(range[1] - range[0] + 1));
    }
  }

  private void marks(int length) {
    for (int i = 0; i < length; i++) {
      run(MARKS[random.nextInt(MARKS.length)], 1);
    }
  }

  private void spaces(int length) {
    for (int i = 0; i < length; i++) {
      line.appendCodePoint(SPACES[random.nextInt(SPACES.length)]);
    }
  }

  private void emoji() {
    int count = 1 + random.nextInt(3);
    for (int i = 0; i < count; i++) {
      line.appendCodePoint(i > 0 ? 0x200D : ' ');
      run(new int[] {0x1F300, 0x1FAFF}, 1);
      if (random.nextInt(3) == 0) {
        run(new int[] {0x1F3FB, 0x1F3FF}, 1);
      }
      if (random.nextInt(3) == 0) {
        line.append('\uFE0F');
      }
    }
  }

  /** Code points anywhere, or surrogates without their other half. */
  private void anything() {
    int kind = random.nextInt(4);
    IntStream.range(0, 1 + random.nextInt(3))
        .forEach(
            i -> {
              switch (kind) {
                case 0 -> line.append((char) (0xD800 + random.nextInt(0x800)));
                case 1 -> run(new int[] {0xE000, 0xFFFF}, 1);
                case 2 -> run(new int[] {0, 0x10FFFF}, 1);
                default -> run(new int[] {0, 0x33FF}, 1);
              }
            });
  }
}
