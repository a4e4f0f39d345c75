package io.quern.text;

import io.quern.io.FormatException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Turns text into the ids that a language model reads, and ids into text, as a {@code
 * tokenizer.json} file of the Hugging Face tokenizers library tells. Ids and offsets are those of
 * that library, of version 0.21.
 *
 * <p>Models: WordPiece, BPE, Unigram, WordLevel. Of the library's other components only the
 * pre-tokenizer UnicodeScripts and dropout of BPE are not supported; a file with one of them is
 * refused. A truncation's stride has no effect, as there are no windows of overflowing tokens.
 *
 * <p>Unpaired surrogates count as U+FFFD. Immutable, and safe for concurrent use.
 */
public final class Tokenizer {
  private static final Normalizer UNCHANGED = (text, from, to, out) -> out.append(text, from, to);

  private final Model model;
  private final AddedTokens added;
  private final @Nullable Normalizer normalizer;
  private final PreTokenizer preTokenizer;
  private final PostProcessor postProcessor;
  private final @Nullable Decoder decoder;
  private final int vocabSize;
  private final boolean addSpecial;
  private final @Nullable Truncation truncation;
  private final @Nullable Padding padding;

  private Tokenizer(Node root) {
    model = Model.parse(root.get("model"));
    Node normalizerNode = root.get("normalizer");
    normalizer = normalizerNode.isNull() ? null : Normalizer.parse(normalizerNode);
    added =
        new AddedTokens(
            root.list("added_tokens"),
            model.vocabulary(),
            normalizer == null ? UNCHANGED : normalizer);
    Node pre = root.get("pre_tokenizer");
    preTokenizer = pre.isNull() ? PreTokenizer.sequence(List.of()) : PreTokenizer.parse(pre);
    Node post = root.get("post_processor");
    postProcessor =
        post.isNull()
            ? new PostProcessor.Steps(List.of())
            : PostProcessor.parse(
                post, id -> added.token(id) == null ? model.vocabulary().token(id) : null);
    Node decoderNode = root.get("decoder");
    decoder = decoderNode.isNull() ? null : Decoder.parse(decoderNode);
    int more = 0;
    for (int id : added.ids()) {
      more += model.vocabulary().token(id) == null ? 1 : 0;
    }
    vocabSize = model.vocabulary().size() + more;
    addSpecial = true;
    Node truncationNode = root.get("truncation");
    truncation = truncationNode.isNull() ? null : Truncation.parse(truncationNode);
    Node paddingNode = root.get("padding");
    padding = paddingNode.isNull() ? null : Padding.parse(paddingNode);
  }

  private Tokenizer(
      Tokenizer base,
      boolean addSpecial,
      @Nullable Truncation truncation,
      @Nullable Padding padding) {
    model = base.model;
    added = base.added;
    normalizer = base.normalizer;
    preTokenizer = base.preTokenizer;
    postProcessor = base.postProcessor;
    decoder = base.decoder;
    vocabSize = base.vocabSize;
    this.addSpecial = addSpecial;
    this.truncation = truncation;
    this.padding = padding;
  }

  /**
   * The tokenizer of a {@code tokenizer.json} file.
   *
   * @throws FormatException if the file is malformed, or has components of kinds that are not
   *     supported; the message names the component and what is supported
   * @throws UncheckedIOException if the file cannot be read
   */
  public static Tokenizer load(Path file) {
    try {
      return parse(file.toString(), Files.readString(file));
    } catch (IOException e) {
      throw new UncheckedIOException("tokenizer: cannot read " + file + ": " + e, e);
    }
  }

  /**
   * The tokenizer that the text of a {@code tokenizer.json} file describes.
   *
   * @throws FormatException as {@link #load} does
   */
  public static Tokenizer parse(String json) {
    return parse("tokenizer", Objects.requireNonNull(json, "tokenizer: json is null"));
  }

  private static Tokenizer parse(String source, String json) {
    return new Tokenizer(Node.parse(source, "tokenizer.json", json));
  }

  /** The same with or without special tokens around texts; a new tokenizer adds them. */
  public Tokenizer withSpecialTokens(boolean add) {
    return new Tokenizer(this, add, truncation, padding);
  }

  /** The same with another truncation, or with none if that is null. */
  public Tokenizer withTruncation(@Nullable Truncation newTruncation) {
    return new Tokenizer(this, addSpecial, newTruncation, padding);
  }

  /** The same with another padding, or with none if that is null. */
  public Tokenizer withPadding(@Nullable Padding newPadding) {
    return new Tokenizer(this, addSpecial, truncation, newPadding);
  }

  /** How long results may be, or null for any length. */
  public @Nullable Truncation truncation() {
    return truncation;
  }

  /** How short results are filled up, or null if they are not. */
  public @Nullable Padding padding() {
    return padding;
  }

  /**
   * The tokens of a text.
   *
   * @throws IllegalArgumentException if the truncation cannot cut enough
   */
  public Encoding encode(String text) {
    return pad(parts(text, null));
  }

  /**
   * The tokens of a pair of texts, such as a question and a passage.
   *
   * @throws IllegalArgumentException if the truncation cannot cut enough
   */
  public Encoding encode(String first, String second) {
    return pad(parts(first, Objects.requireNonNull(second, "tokenizer: the second text is null")));
  }

  /** The tokens of several texts, filled up to one length if there is padding. */
  public List<Encoding> encodeBatch(List<String> texts) {
    List<List<Part>> batch = new ArrayList<>(texts.size());
    int longest = 0;
    for (String text : texts) {
      List<Part> parts = parts(text, null);
      batch.add(parts);
      longest = Math.max(longest, Encoding.size(parts));
    }
    int length = padding == null ? 0 : padding.target(longest);
    List<Encoding> result = new ArrayList<>(batch.size());
    for (List<Part> parts : batch) {
      result.add(Encoding.of(parts, length, padding));
    }
    return result;
  }

  private Encoding pad(List<Part> parts) {
    int length = padding == null ? 0 : padding.target(Encoding.size(parts));
    return Encoding.of(parts, length, padding);
  }

  private List<Part> parts(String first, @Nullable String second) {
    Tokens firstTokens = tokenize(Objects.requireNonNull(first, "tokenizer: the text is null"));
    Tokens secondTokens = second == null ? null : tokenize(second);
    if (truncation != null) {
      int special = addSpecial ? postProcessor.added(second != null) : 0;
      truncation.apply(firstTokens, secondTokens, Math.max(0, truncation.maxLength() - special));
    }
    Part part = new Part(firstTokens, first, 0, false);
    List<Part> parts =
        second == null || secondTokens == null
            ? List.of(part)
            : List.of(part, new Part(secondTokens, second, 1, false));
    return postProcessor.process(parts, addSpecial);
  }

  private Tokens tokenize(String string) {
    Text text = Text.of(string);
    Tokens out = new Tokens(string.length() / 3 + 8);
    PreTokenizer.Sink toModel = (piece, from, to) -> model.tokenize(piece, from, to, out);
    PreTokenizer.Sink toPieces = (piece, from, to) -> preTokenizer.split(piece, from, to, toModel);
    added.splitVerbatim(
        text,
        0,
        text.length(),
        out,
        (piece, from, to) -> {
          if (normalizer == null) {
            added.splitNormalized(piece, from, to, out, toPieces);
            return;
          }
          Text normal = new Text(to - from + 16);
          normalizer.normalize(piece, from, to, normal);
          added.splitNormalized(normal, 0, normal.length(), out, toPieces);
        });
    return out;
  }

  /**
   * The text of tokens.
   *
   * @param ids the tokens
   * @param skipSpecial whether to leave special tokens out
   * @throws IllegalArgumentException if there is no token of one of the ids
   */
  public String decode(int[] ids, boolean skipSpecial) {
    List<String> tokens = new ArrayList<>(ids.length);
    for (int id : ids) {
      String token = token(id);
      if (!skipSpecial || !added.isSpecial(token)) {
        tokens.add(token);
      }
    }
    return decoder == null ? String.join(" ", tokens) : String.join("", decoder.decode(tokens));
  }

  /** The number of tokens, added ones included. */
  public int vocabSize() {
    return vocabSize;
  }

  /**
   * The id of a token as it is written in the vocabulary.
   *
   * @return the id, or -1 if there is no such token
   */
  public int tokenId(String token) {
    int id = added.id(token);
    return id == Trie.NONE ? model.vocabulary().id(token) : id;
  }

  /**
   * The token of an id as it is written in the vocabulary.
   *
   * @throws IllegalArgumentException if there is none
   */
  public String token(int id) {
    String token = id < 0 ? null : added.token(id);
    if (token == null && id >= 0) {
      token = model.vocabulary().token(id);
    }
    if (token == null) {
      throw new IllegalArgumentException(
          "tokenizer: no token has the id %d; there are %d tokens".formatted(id, vocabSize));
    }
    return token;
  }
}
