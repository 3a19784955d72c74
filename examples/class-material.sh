# What sweep.sh and ablation.sh work on: $tree, $train and $test, in the current folder. Sourced by
# them. Without files of the user's own these are made of scenes that hiertools sample renders:
# boxes of $images scenes, embedded one by one, and a table of what is a kind of what.

run() {
    printf '\n$ hiertools %s\n' "$*"
    hiertools "$@"
}

if [ -n "$tree$train$test" ]; then
    for file in "$tree" "$train" "$test"; do
        [ -f "$file" ] || {
            echo "$(basename "$0"): -t TREE, -l TRAIN and -e TEST go together: no file '$file'" >&2
            exit 2
        }
    done
    return
fi

tree=tree.json train=train.h5 test=test.h5
[ "$(cat images 2> /dev/null)" = "$images" ] && return  # an earlier run has made all of it
cat > kinds.csv << 'END'
group,kind,class
made,vehicle,/x/bicycle
made,vehicle,/x/bus
made,vehicle,/x/car
made,vehicle part,/x/hub
made,vehicle part,/x/wheel
made,house part,/x/door
made,house part,/x/handle
made,house part,/x/pane
made,house part,/x/window
made,furniture,/x/bulb
made,furniture,/x/cupboard
made,furniture,/x/drawer
made,furniture,/x/lamp
made,thing to carry,/x/ball
made,thing to carry,/x/hat
living,plant,/x/crown
living,plant,/x/flower
living,plant,/x/tree
living,plant,/x/apple
living,human,/x/head
living,human,/x/person
scenery,outdoors,/x/park
scenery,outdoors,/x/street
scenery,buildings,/x/house
scenery,buildings,/x/room
END
run build-taxonomy table kinds.csv --root all -o $tree --overwrite
run sample scenes --images "$images" --size 192 --test-share 0.3 --overwrite
for part in train test; do
    run embed scenes/$part --boxes scenes/$part-annotations-bbox.csv --only box --min-size 10 \
        --min-area 0.001 -o $part.h5 --overwrite
done
echo "$images" > images
