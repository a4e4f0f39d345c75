package io.quern.text;

import io.quern.io.FormatException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/** Puts the tokens of one or two texts together, with special tokens around them. */
interface PostProcessor {
  /** The parts of the result; {@code special} tells whether to add special tokens. */
  List<Part> process(List<Part> parts, boolean special);

  /** How many special tokens come with one text, or with two. */
  int added(boolean isPair);

  /** Reads one; {@code tokens} tells the token of an id of the model. */
  static PostProcessor parse(Node node, IntFunction<@Nullable String> tokens) {
    String type = node.text("type");
    return switch (type) {
      case "Sequence" ->
          new Steps(node.list("processors").stream().map(each -> parse(each, tokens)).toList());
      case "TemplateProcessing" -> Template.parse(node);
      case "BertProcessing" -> new Bert(id(node, "cls"), id(node, "sep"));
      case "RobertaProcessing" -> {
        Roberta roberta = new Roberta(id(node, "cls"), id(node, "sep"));
        yield node.flag("trim_offsets", true)
            ? new Steps(List.of(trim(node, tokens), roberta))
            : roberta;
      }
      case "ByteLevel" ->
          node.flag("trim_offsets", true) ? trim(node, tokens) : new Steps(List.of());
      default ->
          throw node.unsupported(
              "type",
              type,
              "BertProcessing, ByteLevel, RobertaProcessing, Sequence, TemplateProcessing");
    };
  }

  private static PostProcessor trim(Node node, IntFunction<@Nullable String> tokens) {
    return new TrimOffsets(node.flag("add_prefix_space", true), tokens);
  }

  /** The id of a pair {@code ["[CLS]", 101]}. */
  private static int id(Node node, String name) {
    List<Node> pair = node.list(name);
    if (pair.size() != 2) {
      throw node.get(name).error("not a token with its id");
    }
    return pair.get(1).integer();
  }

  /** One after the other. */
  record Steps(List<PostProcessor> steps) implements PostProcessor {
    @Override
    public List<Part> process(List<Part> parts, boolean special) {
      List<Part> result = parts;
      for (PostProcessor step : steps) {
        result = step.process(result, special);
      }
      return result;
    }

    @Override
    public int added(boolean isPair) {
      return steps.stream().mapToInt(step -> step.added(isPair)).sum();
    }
  }

  /** {@code [CLS] A [SEP] B [SEP]}. */
  record Bert(int cls, int sep) implements PostProcessor {
    @Override
    public List<Part> process(List<Part> parts, boolean special) {
      if (!special) {
        return parts;
      }
      List<Part> result = new ArrayList<>(5);
      result.add(Part.special(List.of(cls), 0));
      for (Part part : parts) {
        result.add(part);
        result.add(Part.special(List.of(sep), result.size() == 2 ? 0 : 1));
      }
      return result;
    }

    @Override
    public int added(boolean isPair) {
      return isPair ? 3 : 2;
    }
  }

  /** {@code <s> A </s></s> B </s>}, all of type 0. */
  record Roberta(int cls, int sep) implements PostProcessor {
    @Override
    public List<Part> process(List<Part> parts, boolean special) {
      List<Part> result = new ArrayList<>(6);
      for (Part part : parts) {
        if (special) {
          result.add(Part.special(List.of(result.isEmpty() ? cls : sep), 0));
        }
        result.add(part.withType(0));
        if (special) {
          result.add(Part.special(List.of(sep), 0));
        }
      }
      return result;
    }

    @Override
    public int added(boolean isPair) {
      return isPair ? 4 : 2;
    }
  }

  /** Sequences and special tokens as templates for one text and for two tell. */
  record Template(List<Piece> single, List<Piece> pair) implements PostProcessor {
    /** The text {@code sequence}; special tokens if that is negative. */
    record Piece(int sequence, List<Integer> ids, int type) {}

    static Template parse(Node node) {
      Map<String, List<Integer>> special = new HashMap<>();
      Node tokens = node.get("special_tokens");
      for (String name : tokens.object().keySet()) {
        special.put(name, tokens.get(name).list("ids").stream().map(Node::integer).toList());
      }
      return new Template(
          pieces(node.get("single"), 1, special), pieces(node.get("pair"), 2, special));
    }

    private static List<Piece> pieces(Node node, int texts, Map<String, List<Integer>> special) {
      List<Piece> pieces = new ArrayList<>();
      for (Node each : node.list()) {
        Node sequence = each.get("Sequence");
        Node piece = sequence.isNull() ? each.get("SpecialToken") : sequence;
        String id = piece.text("id");
        int type = piece.integer("type_id", 0);
        int index = id.equals("A") ? 0 : id.equals("B") ? 1 : texts;
        if (sequence.isNull() && special.containsKey(id)) {
          pieces.add(new Piece(-1, special.get(id), type));
        } else if (!sequence.isNull() && index < texts) {
          pieces.add(new Piece(index, List.of(), type));
        } else {
          throw unknown(piece, id);
        }
      }
      return List.copyOf(pieces);
    }

    private static FormatException unknown(Node piece, String id) {
      return piece.error("no sequence and no special token " + id);
    }

    @Override
    public List<Part> process(List<Part> parts, boolean special) {
      List<Part> result = new ArrayList<>();
      for (Piece piece : parts.size() == 1 ? single : pair) {
        if (piece.sequence >= 0) {
          result.add(parts.get(piece.sequence).withType(piece.type));
        } else if (special) {
          result.add(Part.special(piece.ids, piece.type));
        }
      }
      return result;
    }

    @Override
    public int added(boolean isPair) {
      int added = 0;
      for (Piece piece : isPair ? pair : single) {
        added += piece.ids.size();
      }
      return added;
    }
  }
}
